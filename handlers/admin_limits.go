package handlers

import (
	"context"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/templates"
	"spar/web/i18n"
)

// limitField is one of a partner's own limits. Its name is that of the form's field and of its texts.
type limitField struct {
	name    string
	largest int
	in      func(*keymgr.Limits) *int
}

func limitFields() []limitField {
	return []limitField{
		{"max_batch", keymgr.LargestBatch, func(l *keymgr.Limits) *int { return &l.MaxBatch }},
		{"items_per_second", keymgr.LargestRate, func(l *keymgr.Limits) *int { return &l.ItemsPerSecond }},
		{"bulk_items_per_second", keymgr.LargestRate, func(l *keymgr.Limits) *int { return &l.BulkItemsPerSecond }},
	}
}

// limitsForm is what was typed for each limit, or what a partner has, and what is wrong with it.
type limitsForm struct{ typed, wrong map[string]string }

func formOfLimits(l keymgr.Limits) limitsForm {
	form := limitsForm{typed: map[string]string{}}
	for _, field := range limitFields() {
		if n := *field.in(&l); n != 0 {
			form.typed[field.name] = strconv.Itoa(n)
		}
	}
	return form
}

// readLimits reads numbers; none and 0 are the general limit.
func readLimits(c *gin.Context) (limitsForm, keymgr.Limits) {
	ctx := c.Request.Context()
	form, limits := limitsForm{map[string]string{}, map[string]string{}}, keymgr.Limits{}
	for _, field := range limitFields() {
		text := strings.TrimSpace(c.PostForm(field.name))
		form.typed[field.name] = text
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || n > uint64(field.largest) {
			form.wrong[field.name] = i18n.T(ctx, "admin.settings.limit_invalid",
				"limit", i18n.T(ctx, "admin.settings."+field.name), "largest", i18n.Number(ctx, field.largest))
			continue
		}
		*field.in(&limits) = int(n)
	}
	return form, limits
}

func (f limitsForm) problems() (list []templates.Problem) {
	for _, field := range limitFields() {
		if text := f.wrong[field.name]; text != "" {
			list = append(list, templates.Problem{Target: field.name, Text: text})
		}
	}
	return list
}

// fields are those of the form, each with the general limit in its hint.
func (f limitsForm) fields(ctx context.Context, general keymgr.Limits) (list []templates.Field) {
	for _, field := range limitFields() {
		list = append(list, templates.Field{
			Name: field.name, Type: "text", Label: i18n.T(ctx, "admin.settings."+field.name),
			Hint:  i18n.T(ctx, "admin.settings."+field.name+"_hint", "general", i18n.Number(ctx, *field.in(&general))),
			Value: f.typed[field.name], Error: f.wrong[field.name], Direction: "ltr", Autocomplete: "off", InputMode: "numeric",
		})
	}
	return list
}

// limitRows are what holds for a partner, and whether it is of its own.
func (a *Admin) limitRows(ctx context.Context, own keymgr.Limits) (rows []templates.Row) {
	holds := own.Within(a.Register.GeneralLimits())
	for _, field := range limitFields() {
		n, whose := *field.in(&holds), "admin.settings.limit_general"
		if n == *field.in(&own) && n != 0 {
			whose = "admin.settings.limit_own"
		}
		rows = append(rows, templates.Row{Key: i18n.T(ctx, "admin.settings."+field.name), Value: i18n.Number(ctx, n), Detail: i18n.T(ctx, whose)})
	}
	return rows
}
