package handlers

import (
	"context"
	"strings"

	"spar/templates"
	"spar/web/i18n"
)

// brandOf is whose portal it is, in the language of the page. Where the host says nothing, it is our own.
func (l *Login) brandOf(ctx context.Context, staff bool) templates.Brand {
	language := i18n.Language(ctx)
	b := templates.Brand{
		Name: l.Brand.Name(language), ShortName: l.Brand.ShortName(language),
		Logo: l.Brand.Logo(), Stylesheet: l.Brand.Stylesheet(),
	}
	if b.Name == "" {
		b.Name = i18n.T(ctx, "service.name")
	}
	if b.ShortName == "" {
		b.ShortName = i18n.T(ctx, "service.short_name")
	}
	b.Title = b.ShortName
	if staff {
		b.Title = i18n.T(ctx, "admin.service")
	}
	b.Support.Phone, b.Support.URL, b.Support.Text = l.Brand.Support(language)
	if b.Support.Phone != "" {
		b.Support.PhoneHref = "tel:" + strings.NewReplacer(" ", "", "(", "", ")", "", ".", "", "/", "", "-", "").Replace(b.Support.Phone)
	}
	return b
}

// askOffice says whom to ask where the host names nobody; a page has its own place for whom it names.
func (l *Login) askOffice(ctx context.Context, page templates.Page) string {
	if page.Staff || page.Brand.Support.HasAny() {
		return ""
	}
	return i18n.T(ctx, "support.office")
}
