package handlers

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// showOverview tells how many links there are and how the partners are, which of them will soon be without a certificate, and
// what their calls came to.
func (a *Admin) showOverview(c *gin.Context) error {
	ctx := c.Request.Context()
	partners, err := a.Register.List(ctx)
	if err != nil {
		return err
	}
	counts, err := a.Calls.Counts(ctx, a.recent())
	if err != nil {
		return err
	}
	expiring, err := a.expiring(ctx, partners)
	if err != nil {
		return err
	}
	pending, err := a.Register.Pending(ctx, "")
	if err != nil {
		return err
	}
	waiting, err := a.noticesSummary(ctx)
	if err != nil {
		return err
	}
	linkDays, err := a.Links.LinkDays(ctx, chartDays)
	if err != nil {
		return err
	}
	cases, err := a.Cases.OpenCases(ctx)
	if err != nil {
		return err
	}
	web.Render(c, http.StatusOK, templates.OverviewPage(templates.OverviewView{
		Page:     a.frame(c.Request, templates.AdminOverview, i18n.T(ctx, "admin.overview.title")),
		Figures:  figures(ctx, partners, counts, linkDays[len(linkDays)-1]),
		Cases:    i18n.T(ctx, "admin.overview.cases", "count", cases, "number", i18n.Number(ctx, cases)),
		Notices:  waiting,
		Pending:  a.pendingTable(ctx, pending, partners),
		Expiring: expiring,
		Links:    linksPlot(ctx, linkDays),
		Changes:  changesPlot(ctx, linkDays),
		Calls:    a.callsBars(ctx, partners, counts),
		Refusals: a.refusalsBars(ctx, counts),
	}))
	return nil
}

func (a *Admin) recent() time.Time { return a.Now().Add(-recentDays * 24 * time.Hour) }

// when writes a moment for people.
func (a *Admin) when(ctx context.Context, t time.Time) string {
	return i18n.DateTime(ctx, t.In(a.Location))
}

func figures(ctx context.Context, partners []keymgr.Partner, counts []keymgr.CallCount, today mapper.LinkDay) []templates.Row {
	states := map[keymgr.Status]int{}
	for _, p := range partners {
		states[p.Status]++
	}
	var total callSum
	for _, count := range counts {
		total.add(count)
	}
	figure := func(key string, n int) templates.Row {
		return templates.Row{Key: i18n.T(ctx, "admin.figure."+key), Value: i18n.Number(ctx, n)}
	}
	return []templates.Row{
		figure("links", int(today.Total)), figure("changes_today", int(today.Linked+today.Updated+today.Unlinked)),
		figure("active", states[keymgr.Active]), figure("draft", states[keymgr.Draft]), figure("suspended", states[keymgr.Suspended]),
		figure("answered", int(total.answered)), figure("refused", int(total.refused)),
	}
}

// expiring lists the certificates that end soon. Above them stand the partners that have none left: their calls are
// refused already.
func (a *Admin) expiring(ctx context.Context, partners []keymgr.Partner) (templates.Table, error) {
	table := templates.Table{
		Caption: i18n.T(ctx, "admin.overview.expiring"), Empty: i18n.T(ctx, "admin.overview.expiring_none"),
		Columns: columns(ctx, "partner", "certificate", "valid_until", "left"),
	}
	for _, p := range partners {
		if p.Status == keymgr.Active && len(usable(p, a.Now())) == 0 {
			ended := ""
			if end := lastEnd(p); !end.IsZero() {
				ended = a.when(ctx, end)
			}
			table.Rows = append(table.Rows, []templates.Cell{
				partnerCell(p), {Text: i18n.T(ctx, "admin.expiry.none")}, {Text: ended}, mark(i18n.T(ctx, "admin.expiry.ended"), templates.Bad),
			})
		}
	}
	list, err := a.Register.Expiring(ctx)
	if err != nil {
		return table, err
	}
	for _, e := range list {
		left := mark(withinText(ctx, e.Within), withinKind(e.Within))
		if !e.Last {
			left.Mark, left.Detail = templates.Neutral, i18n.T(ctx, "admin.expiry.has_newer")
		}
		table.Rows = append(table.Rows, []templates.Cell{
			partnerCell(keymgr.Partner{ReferenceID: e.Reference, Name: e.Name}), {Text: groups(e.Fingerprint)[0], Code: true},
			{Text: a.when(ctx, e.End)}, left,
		})
	}
	return table, nil
}

func withinText(ctx context.Context, days int) string {
	return i18n.T(ctx, "admin.expiry.within", "count", days, "number", i18n.Number(ctx, days))
}

// withinKind draws attention to what ends within a week.
func withinKind(days int) string {
	if days <= 7 {
		return templates.Bad
	}
	return templates.Waiting
}

// lastEnd is when the last of a partner's certificates stops verifying; zero if it has none.
func lastEnd(p keymgr.Partner) (end time.Time) {
	for _, c := range p.Certificates {
		if c.RevokedAt.IsZero() && c.End().After(end) {
			end = c.End()
		}
	}
	return end
}

// expiryMark says how long it is until the end of a partner's last certificate.
func expiryMark(ctx context.Context, end, now time.Time) templates.Cell {
	if !end.After(now) {
		return mark(i18n.T(ctx, "admin.expiry.ended"), templates.Bad)
	}
	within := 0
	for _, days := range keymgr.ExpiryWarnings() { // the longest first
		if end.Before(now.AddDate(0, 0, days)) {
			within = days
		}
	}
	if within > 0 {
		return mark(withinText(ctx, within), withinKind(within))
	}
	return mark(i18n.T(ctx, "admin.expiry.later"), templates.Good)
}

func mark(text, kind string) templates.Cell { return templates.Cell{Text: text, Mark: kind} }

// callSum is what a number of calls came to.
type callSum struct {
	answered, rejected, refused int64
	last                        time.Time
}

// add sorts an outcome: answered; rejected, for something in the message of a partner who was proven; or refused.
func (s *callSum) add(c keymgr.CallCount) {
	switch {
	case c.Outcome == keymgr.CallOK:
		s.answered += c.Count
	case strings.HasPrefix(c.Outcome, "rjct."):
		s.rejected += c.Count
	default:
		s.refused += c.Count
	}
	if c.LastAt.After(s.last) {
		s.last = c.LastAt
	}
}

func (s *callSum) total() int64 { return s.answered + s.rejected + s.refused }

// caller is one who called, by name.
type caller struct {
	cell templates.Cell
	sum  *callSum
}

// callers are the partners that called, in the order of the list, and then the senders that are none.
func callers(ctx context.Context, partners []keymgr.Partner, counts []keymgr.CallCount) (list []caller) {
	sums := map[string]*callSum{}
	for _, c := range counts {
		if sums[c.Partner] == nil {
			sums[c.Partner] = &callSum{}
		}
		sums[c.Partner].add(c)
	}
	for _, p := range partners {
		if s := sums[p.ReferenceID]; s != nil {
			list = append(list, caller{partnerCell(p), s})
		}
	}
	if s := sums[keymgr.UnknownPartner]; s != nil {
		list = append(list, caller{templates.Cell{Text: i18n.T(ctx, "admin.unknown_senders"), Detail: i18n.T(ctx, "admin.unknown_senders_hint")}, s})
	}
	return list
}

func (a *Admin) callsByPartner(ctx context.Context, partners []keymgr.Partner, counts []keymgr.CallCount) templates.Table {
	table := templates.Table{
		Caption: i18n.T(ctx, "admin.overview.calls", "days", i18n.Number(ctx, recentDays)), Empty: i18n.T(ctx, "admin.overview.calls_none"),
		Columns: columns(ctx, "partner", "answered#", "rejected#", "refused#", "last_call"),
	}
	for _, c := range callers(ctx, partners, counts) {
		table.Rows = append(table.Rows, []templates.Cell{
			c.cell, number(ctx, c.sum.answered), number(ctx, c.sum.rejected), number(ctx, c.sum.refused), {Text: a.when(ctx, c.sum.last)},
		})
	}
	return table
}

// refusalSums are the calls that were not answered, by reason.
func refusalSums(counts []keymgr.CallCount) map[string]keymgr.CallCount {
	sums := map[string]keymgr.CallCount{}
	for _, c := range counts {
		if c.Outcome == keymgr.CallOK {
			continue
		}
		sum := sums[c.Outcome]
		sum.Outcome, sum.Count = c.Outcome, sum.Count+c.Count
		if c.LastAt.After(sum.LastAt) {
			sum.LastAt = c.LastAt
		}
		sums[c.Outcome] = sum
	}
	return sums
}

func (a *Admin) refusalsByReason(ctx context.Context, counts []keymgr.CallCount) templates.Table {
	table := templates.Table{
		Caption: i18n.T(ctx, "admin.overview.refusals", "days", i18n.Number(ctx, recentDays)), Empty: i18n.T(ctx, "admin.overview.refusals_none"),
		Columns: columns(ctx, "reason", "calls#", "last_call"),
	}
	for _, c := range sortedByCount(refusalSums(counts)) {
		table.Rows = append(table.Rows, []templates.Cell{
			{Text: outcomeText(ctx, c.Outcome), Detail: c.Outcome}, number(ctx, c.Count), {Text: a.when(ctx, c.LastAt)},
		})
	}
	return table
}

func sortedByCount(sums map[string]keymgr.CallCount) []keymgr.CallCount {
	list := make([]keymgr.CallCount, 0, len(sums))
	for _, c := range sums {
		list = append(list, c)
	}
	slices.SortFunc(list, func(x, y keymgr.CallCount) int {
		if x.Count != y.Count {
			return int(y.Count - x.Count)
		}
		return strings.Compare(x.Outcome, y.Outcome)
	})
	return list
}

// outcomeText says what an outcome means; one that has no text is shown as it is.
func outcomeText(ctx context.Context, outcome string) string {
	key := "admin.outcome." + outcome
	if text := i18n.T(ctx, key); text != key {
		return text
	}
	return outcome
}

// columns are a table's, by their keys; # marks those with numbers.
func columns(ctx context.Context, keys ...string) []templates.Column {
	list := make([]templates.Column, len(keys))
	for i, key := range keys {
		name, count := strings.CutSuffix(key, "#")
		list[i] = templates.Column{Label: i18n.T(ctx, "admin.column."+name), Count: count}
	}
	return list
}

func number(ctx context.Context, n int64) templates.Cell {
	return templates.Cell{Text: i18n.Number(ctx, int(n))}
}

func partnerCell(p keymgr.Partner) templates.Cell {
	return templates.Cell{Text: p.Name, Detail: p.ReferenceID, Href: partnerPath(p.ReferenceID)}
}
