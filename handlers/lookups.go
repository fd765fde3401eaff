package handlers

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

const (
	lookupsPath    = "/account/lookups"
	lookupsPerPage = 20
)

// showLookups lists which partners saw the details of the person's account, by month and day.
func (p *Portal) showLookups(c *gin.Context) error {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	list, err := p.Lookups.Lookups(ctx, mapper.ID(user.ID), lookupsLimit+1)
	if err != nil {
		return err
	}
	days := int(p.LookupsKept / (24 * time.Hour))
	view := templates.LookupsView{
		Page: p.frame(c.Request, templates.Lookups, i18n.T(ctx, "lookups.title")),
		Kept: i18n.T(ctx, "lookups.kept", "count", days, "number", i18n.Number(ctx, days)),
	}
	more := len(list) > lookupsLimit
	list, view.Pages = pageOf(ctx, list[:min(lookupsLimit, len(list))], c.Query("page"))
	if more && view.Pages.Older == "" {
		view.More = i18n.T(ctx, "lookups.more", "number", i18n.Number(ctx, lookupsLimit))
	}
	view.Months = p.lookupMonths(ctx, list)
	web.Render(c, http.StatusOK, templates.LookupsPage(view))
	return nil
}

// timeWithin is the time of day. A registry elsewhere may count days by another clock: then the day is told too.
func timeWithin(ctx context.Context, day, at time.Time) string {
	if at.Format(time.DateOnly) == day.Format(time.DateOnly) {
		return i18n.Time(ctx, at)
	}
	return i18n.DateTime(ctx, at)
}

// pageOf is one page of the list, and the way to those beside it. A page that there is none of is the nearest one.
func pageOf(ctx context.Context, list []mapper.Lookup, asked string) ([]mapper.Lookup, templates.Pages) {
	last := max(1, (len(list)+lookupsPerPage-1)/lookupsPerPage)
	number, err := strconv.Atoi(asked)
	if err != nil {
		number = 1
	}
	number = min(max(number, 1), last)
	list = list[(number-1)*lookupsPerPage : min(number*lookupsPerPage, len(list))]
	pages := templates.Pages{}
	if last > 1 {
		pages.Place = i18n.T(ctx, "lookups.page", "page", i18n.Number(ctx, number), "pages", i18n.Number(ctx, last))
	}
	if number > 1 {
		pages.Newer = lookupsPath + "?page=" + strconv.Itoa(number-1)
	}
	if number < last {
		pages.Older = lookupsPath + "?page=" + strconv.Itoa(number+1)
	}
	return list, pages
}

func (p *Portal) lookupMonths(ctx context.Context, list []mapper.Lookup) (months []templates.LookupMonth) {
	names := map[string]string{}
	for _, l := range list {
		heading := i18n.Month(ctx, l.Day)
		if len(months) == 0 || months[len(months)-1].Heading != heading {
			months = append(months, templates.LookupMonth{Heading: heading})
		}
		name := l.PartnerName
		if name == "" {
			name = partnerName(ctx, p.Partners, l.Partner, names)
		}
		month := &months[len(months)-1]
		month.Entries = append(month.Entries, templates.LookupEntry{
			What: i18n.T(ctx, "lookups.what", "count", int(l.Count), "partner", name,
				"number", i18n.Number(ctx, int(l.Count)), "date", i18n.Date(ctx, l.Day)),
			When: i18n.T(ctx, "lookups.last", "count", int(l.Count), "time", timeWithin(ctx, l.Day, l.LastAt.In(p.Location))),
			Time: l.LastAt.UTC().Format(time.RFC3339),
		})
	}
	return months
}
