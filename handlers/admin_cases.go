package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"spar/internal/audit"
	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// Cases are what people reported as not their doing. An error that is [mapper.ErrNotFound] says that there is no such case.
type Cases interface {
	Cases(ctx context.Context, open bool, limit, skip int) ([]mapper.Case, error)
	Case(ctx context.Context, number string) (mapper.CaseDetails, error)
	Settle(ctx context.Context, by audit.Actor, number string, outcome mapper.CaseOutcome, note, state string) error
	OpenCases(ctx context.Context) (int, error)
}

const (
	casesPath   = "/admin/cases"
	casesShown  = 50  // of a kind at once
	noteLength  = 500 // in characters
	caseEvents  = 20
	settleStep  = "/settle"
	noteField   = "note"
	resultField = "outcome"
)

func adminCasePath(number string) string { return casesPath + "/" + url.PathEscape(number) }

var (
	adminSettled = &explanation{status: http.StatusConflict, title: "admin.case.decided.title",
		texts: []string{"admin.case.decided.text"}, label: "admin.cases.to_cases", href: casesPath}
	adminCaseStale = &explanation{status: http.StatusConflict, title: "admin.case.stale.title",
		texts: []string{"admin.case.stale.text"}, label: "admin.cases.to_cases", href: casesPath}
)

// listCases lists the open cases, the longest waiting first, and the settled ones, the last settled first.
func (a *Admin) listCases(c *gin.Context) error {
	ctx := c.Request.Context()
	from, _ := strconv.Atoi(c.Query("from"))
	from = min(max(from, 0), 1_000_000)
	open, err := a.Cases.Cases(ctx, true, casesShown+1, 0)
	if err != nil {
		return err
	}
	settled, err := a.Cases.Cases(ctx, false, casesShown+1, from)
	if err != nil {
		return err
	}
	view := templates.CasesView{
		Page: a.frame(c.Request, templates.AdminCases, i18n.T(ctx, "admin.cases.title")),
		Open: templates.Table{
			Caption: i18n.T(ctx, "admin.cases.open"), Empty: i18n.T(ctx, "admin.cases.open_none"), Columns: columns(ctx, "case", "reported", "waits"),
		},
		Settled: templates.Table{
			Caption: i18n.T(ctx, "admin.cases.settled"), Empty: i18n.T(ctx, "admin.cases.settled_none"), Columns: columns(ctx, "case", "reported", "settled", "outcome"),
		},
	}
	if len(open) > casesShown {
		open = open[:casesShown]
		view.More = i18n.T(ctx, "admin.cases.more", "number", i18n.Number(ctx, casesShown))
	}
	if len(settled) > casesShown {
		settled = settled[:casesShown]
		view.Older = casesPath + "?from=" + strconv.Itoa(from+casesShown)
	}
	for _, each := range open {
		view.Open.Rows = append(view.Open.Rows, []templates.Cell{
			{Text: each.Number, Href: adminCasePath(each.Number)}, {Text: a.when(ctx, each.OpenedAt)}, a.waits(ctx, each.OpenedAt),
		})
	}
	for _, each := range settled {
		view.Settled.Rows = append(view.Settled.Rows, []templates.Cell{
			{Text: each.Number, Href: adminCasePath(each.Number)}, {Text: a.when(ctx, each.OpenedAt)}, {Text: a.when(ctx, each.SettledAt)},
			{Text: i18n.T(ctx, "admin.case.outcome."+string(each.Outcome))},
		})
	}
	web.Render(c, http.StatusOK, templates.CasesPage(view))
	return nil
}

// waits says for how long a person has been without payments. After a few days it stands out.
func (a *Admin) waits(ctx context.Context, since time.Time) templates.Cell {
	days := int(a.Now().Sub(since).Hours() / 24)
	cell := mark(i18n.T(ctx, "admin.case.waits", "count", days, "number", i18n.Number(ctx, days)), templates.Waiting)
	if days == 0 {
		cell.Text = i18n.T(ctx, "admin.case.waits_today")
	}
	if days >= 3 {
		cell.Mark = templates.Bad
	}
	return cell
}

// oneCase is the case that the address names.
func (a *Admin) oneCase(c *gin.Context) (mapper.CaseDetails, error) {
	d, err := a.Cases.Case(c.Request.Context(), c.Param("case"))
	if errors.Is(err, mapper.ErrNotFound) {
		return d, adminNotFound
	}
	return d, err
}

// showCase shows what is needed to settle a case: what was reported, what happened before and after, and the account as it is
// now, without its number. Whose it is, staff do not see.
func (a *Admin) showCase(c *gin.Context) error {
	ctx := c.Request.Context()
	d, err := a.oneCase(c)
	if err != nil {
		return err
	}
	entries, err := a.Trail.List(ctx, audit.Filter{Target: d.Number, Limit: caseEvents})
	if err != nil {
		return err
	}
	heading := i18n.T(ctx, "admin.case.title", "number", d.Number)
	view := templates.AdminCaseView{
		Page: a.frame(c.Request, templates.AdminCases, heading), Heading: heading,
		State:  templates.Mark{Text: i18n.T(ctx, "admin.case.open"), Kind: templates.Waiting},
		Events: a.events(ctx, entries, d.Number),
	}
	if !d.Open() {
		view.State = templates.Mark{Text: i18n.T(ctx, "admin.case.settled"), Kind: templates.Good}
	} else if a.mayChange(c.Request) {
		view.SettleHref = adminCasePath(d.Number) + settleStep
	}
	if view.Rows, err = a.caseRows(ctx, d); err != nil {
		return err
	}
	names := map[string]string{}
	for _, change := range d.Changes {
		if !slices.Contains(d.Reported, change.ID) {
			continue
		}
		rows, err := a.reportedRows(ctx, change, names)
		if err != nil {
			return err
		}
		view.Reported = append(view.Reported, templates.ReportedView{What: i18n.T(ctx, "history."+string(change.Action)), Rows: rows})
	}
	if view.Changes, err = a.caseChanges(ctx, d, names); err != nil {
		return err
	}
	web.Render(c, http.StatusOK, templates.AdminCasePage(view))
	return nil
}

// caseRows tells how things are now.
func (a *Admin) caseRows(ctx context.Context, d mapper.CaseDetails) ([]templates.Row, error) {
	row := func(key, value, detail string) templates.Row {
		return templates.Row{Key: i18n.T(ctx, "admin.case."+key), Value: value, Detail: detail}
	}
	rows := []templates.Row{row("reported_at", a.when(ctx, d.OpenedAt), "")}
	if !d.Open() {
		rows = append(rows, row("settled_at", a.when(ctx, d.SettledAt), ""),
			row("outcome", i18n.T(ctx, "admin.case.outcome."+string(d.Outcome)), ""), row("note", d.Note, ""))
	}
	if d.Linked == nil {
		return append(rows, row("account", i18n.T(ctx, "admin.case.none_linked"), "")), nil
	}
	account, number, err := a.caseAccount(ctx, d.Linked.FA, d.Linked.Provider)
	if err != nil {
		return nil, err
	}
	payments := "stopped"
	if d.Active {
		payments = "active"
	}
	return append(rows, row("account", account, number), row("payments", i18n.T(ctx, "admin.case.payments."+payments), "")), nil
}

// caseAccount names an account and the end of its number: enough to tell two accounts apart.
func (a *Admin) caseAccount(ctx context.Context, fa string, provider mapper.AccountProvider) (account, number string, err error) {
	card, err := accountCard(ctx, a.Strategies, a.Directory, fa, provider)
	if err != nil {
		return "", "", err
	}
	return i18n.T(ctx, "history.account", "kind", card.Kind, "provider", card.Provider), card.Number.Shown, nil
}

// madeBy says who made a change: the partner's name and its reference id.
func (a *Admin) madeBy(ctx context.Context, change mapper.Change, names map[string]string) (who, reference string) {
	switch {
	case change.ByBeneficiary:
		return i18n.T(ctx, "admin.case.by_person"), ""
	case change.Partner == mapper.Staff, change.Partner == mapper.Operator:
		return i18n.T(ctx, "admin.case.by_staff"), ""
	default:
		return partnerName(ctx, a.Register, change.Partner, names), change.Partner
	}
}

func (a *Admin) reportedRows(ctx context.Context, change mapper.Change, names map[string]string) ([]templates.Row, error) {
	account, number, err := a.caseAccount(ctx, change.FA, change.Provider)
	if err != nil {
		return nil, err
	}
	who, reference := a.madeBy(ctx, change, names)
	rows := []templates.Row{
		{Key: i18n.T(ctx, "admin.column.time"), Value: a.when(ctx, change.At)},
		{Key: i18n.T(ctx, "admin.column.who"), Value: who, Detail: reference},
		{Key: i18n.T(ctx, "admin.case.account"), Value: account, Detail: number},
		{Key: i18n.T(ctx, "admin.case.change_id"), Value: change.ID},
	}
	consent := templates.Row{Key: i18n.T(ctx, "admin.case.consent"), Value: i18n.T(ctx, "admin.case.consent_none")}
	if change.Consent != nil {
		consent.Value = change.Consent.Text
		consent.Detail = i18n.T(ctx, "admin.case.consent_version", "version", change.Consent.Version, "language", change.Consent.Language)
	}
	return append(rows, consent), nil
}

// caseChanges lists what happened to the link, the newest first.
func (a *Admin) caseChanges(ctx context.Context, d mapper.CaseDetails, names map[string]string) (templates.Table, error) {
	table := templates.Table{Caption: i18n.T(ctx, "admin.case.changes"), Columns: columns(ctx, "change", "account", "who", "time")}
	for _, change := range d.Changes {
		account, number, err := a.caseAccount(ctx, change.FA, change.Provider)
		if err != nil {
			return table, err
		}
		who, reference := a.madeBy(ctx, change, names)
		what := templates.Cell{Text: i18n.T(ctx, "history."+string(change.Action))}
		if slices.Contains(d.Reported, change.ID) {
			what.Detail = i18n.T(ctx, "admin.case.is_reported")
		}
		table.Rows = append(table.Rows, []templates.Cell{what, {Text: account, Detail: number}, {Text: who, Detail: reference}, {Text: a.when(ctx, change.At)}})
	}
	return table, nil
}

// settlement is the form that ends a case, as it was sent.
type settlement struct {
	outcome, note, state    string
	wrongOutcome, wrongNote string
}

// askSettle asks how a case shall end.
func (a *Admin) askSettle(c *gin.Context) error {
	d, err := a.oneCase(c)
	if err != nil {
		return err
	}
	if !d.Open() {
		return adminSettled
	}
	return a.renderSettle(c, http.StatusOK, d, settlement{state: d.State})
}

// settle ends a case, for the state of the link that the page showed.
func (a *Admin) settle(c *gin.Context) error {
	ctx := c.Request.Context()
	d, err := a.oneCase(c)
	if err != nil {
		return err
	}
	if !d.Open() {
		return adminSettled
	}
	form := settlement{outcome: c.PostForm(resultField), note: strings.TrimSpace(c.PostForm(noteField)), state: c.PostForm("state")}
	if d.Linked == nil {
		form.outcome = string(mapper.PaymentsResumed) // there is no choice
	}
	if outcome := mapper.CaseOutcome(form.outcome); outcome != mapper.PaymentsResumed && outcome != mapper.AccountRemoved {
		form.wrongOutcome = i18n.T(ctx, "admin.case.outcome_missing")
	}
	switch {
	case form.note == "":
		form.wrongNote = i18n.T(ctx, "admin.case.note_missing")
	case utf8.RuneCountInString(form.note) > noteLength || !utf8.ValidString(form.note):
		form.wrongNote = i18n.T(ctx, "admin.case.note_long", "number", i18n.Number(ctx, noteLength))
	}
	if form.wrongOutcome != "" || form.wrongNote != "" {
		return a.renderSettle(c, http.StatusUnprocessableEntity, d, form)
	}
	err = a.Cases.Settle(ctx, a.by(ctx), d.Number, mapper.CaseOutcome(form.outcome), form.note, form.state)
	switch {
	case errors.Is(err, mapper.ErrSettled):
		return adminSettled
	case errors.Is(err, mapper.ErrStale):
		return adminCaseStale
	case err != nil:
		return err
	}
	a.Sessions.Flash(ctx, "admin.flash.settled")
	web.Redirect(c, adminCasePath(d.Number))
	return nil
}

func (a *Admin) renderSettle(c *gin.Context, status int, d mapper.CaseDetails, form settlement) error {
	ctx := c.Request.Context()
	heading := i18n.T(ctx, "admin.settle.title", "number", d.Number)
	view := templates.SettleView{
		Page:     a.frame(c.Request, templates.AdminCases, titled(ctx, heading, form.wrongOutcome+form.wrongNote)),
		BackHref: adminCasePath(d.Number), Heading: heading, Action: adminCasePath(d.Number) + settleStep, State: form.state,
		Note: templates.Field{
			Name: noteField, Label: i18n.T(ctx, "admin.settle.note"), Hint: i18n.T(ctx, "admin.settle.note_hint"), Value: form.note, Error: form.wrongNote,
		},
		Submit: i18n.T(ctx, "admin.settle.confirm"),
	}
	if d.Linked == nil {
		view.Text, view.Submit = i18n.T(ctx, "admin.settle.none_linked"), i18n.T(ctx, "admin.settle.close")
	} else {
		view.Outcome = templates.Checks{
			Name: resultField, Label: i18n.T(ctx, "admin.settle.outcome"), Error: form.wrongOutcome, One: true,
			Options: []templates.Option{
				{Value: string(mapper.PaymentsResumed), Label: i18n.T(ctx, "admin.settle.resume"), Hint: i18n.T(ctx, "admin.settle.resume_hint"), Checked: form.outcome == string(mapper.PaymentsResumed)},
				{Value: string(mapper.AccountRemoved), Label: i18n.T(ctx, "admin.settle.remove"), Hint: i18n.T(ctx, "admin.settle.remove_hint"), Checked: form.outcome == string(mapper.AccountRemoved)},
			},
		}
	}
	if form.wrongOutcome != "" {
		view.Problems = append(view.Problems, templates.Problem{Target: resultField + "-1", Text: form.wrongOutcome})
	}
	if form.wrongNote != "" {
		view.Problems = append(view.Problems, templates.Problem{Target: noteField, Text: form.wrongNote})
	}
	var err error
	if view.Rows, err = a.caseRows(ctx, d); err != nil {
		return err
	}
	if since := a.changedSince(ctx, d); since != "" {
		view.Warning = since
	}
	web.Render(c, status, templates.SettlePage(view))
	return nil
}

// changedSince warns that the account that would be paid is not the one that was reported: whoever made the reported change
// may have made this one too.
func (a *Admin) changedSince(ctx context.Context, d mapper.CaseDetails) string {
	for _, change := range d.Changes { // the newest first
		if !change.At.After(d.OpenedAt) {
			break
		}
		if change.Action != mapper.Link && change.Action != mapper.Update && change.Action != mapper.Hold {
			continue
		}
		who, _ := a.madeBy(ctx, change, map[string]string{})
		return i18n.T(ctx, "admin.settle.changed_since", "when", a.when(ctx, change.At), "who", who)
	}
	return ""
}
