package i18n

import (
	"context"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// Date writes a day as the language does: 24 November 2026. The order and the months' names come from the catalogue, and
// so does how the first of a month is written.
func Date(ctx context.Context, t time.Time) string {
	month := T(ctx, "date.month."+strconv.Itoa(int(t.Month())))
	key := "date.day"
	if t.Day() == 1 {
		key = "date.first_day"
	}
	return T(ctx, key, "day", t.Day(), "month", month, "year", t.Year())
}

// Month writes a month of a year: November 2026.
func Month(ctx context.Context, t time.Time) string {
	return T(ctx, "date.month_year", "month", T(ctx, "date.month."+strconv.Itoa(int(t.Month()))), "year", t.Year())
}

// DateTime writes a day and the time of day: 24 November 2026, 14:05.
func DateTime(ctx context.Context, t time.Time) string {
	return T(ctx, "date.day_time", "day", Date(ctx, t), "time", Time(ctx, t))
}

// Time writes the time of day by 24 or 12 hours. The catalogue has it in the form that the time package reads.
func Time(ctx context.Context, t time.Time) string {
	text, half := t.Format(T(ctx, "date.clock")), t.Format("PM")
	return strings.Replace(text, half, T(ctx, "date."+strings.ToLower(half)), 1)
}

// Number writes a whole number with the language's grouping. Digits are 0 to 9 in every language, as on the passbooks,
// phones and cards that people compare with.
func Number(ctx context.Context, n int) string {
	return message.NewPrinter(language.Make(Language(ctx) + "-u-nu-latn")).Sprint(n)
}

// List writes names one after another: A, B, C.
func List(ctx context.Context, names []string) string {
	apart := make([]string, len(names))
	for i, name := range names {
		apart[i] = isolate(ctx, name)
	}
	return led(ctx, strings.Join(apart, T(ctx, "list.separator")))
}
