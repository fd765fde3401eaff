package i18n

import (
	"context"
	"strconv"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Date writes a day as the language does: 24 November 2026. The order and the months' names come from the catalogue.
func Date(ctx context.Context, t time.Time) string {
	month := T(ctx, "date.month."+strconv.Itoa(int(t.Month())))
	return T(ctx, "date.day", "day", t.Day(), "month", month, "year", t.Year())
}

// DateTime writes a day and the time of day: 24 November 2026, 14:05.
func DateTime(ctx context.Context, t time.Time) string {
	return T(ctx, "date.day_time", "day", Date(ctx, t), "time", t.Format("15:04"))
}

// Number writes a whole number with the language's grouping.
func Number(ctx context.Context, n int) string {
	return message.NewPrinter(language.Make(Language(ctx))).Sprint(n)
}
