package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// Where a person says that a change was not theirs, and where they see what becomes of it.
const (
	historyPath = "/account/history"
	notMePath   = historyPath + "/:change/not-me"
	casePath    = "/account/case"
)

// settledShown is how long the account page says how a case was settled.
const settledShown = 30 * 24 * time.Hour

// notMeHref is where a change is reported.
func notMeHref(changeID string) string { return historyPath + "/" + changeID + "/not-me" }

// requireFreshHere lets only people pass who logged in a moment ago, and leads the others back to this very page.
func (p *Portal) requireFreshHere(c *gin.Context) {
	p.Login.RequireFresh(web.FreshAge, c.Request.URL.Path)(c)
}

// askNotMe explains what happens if the person reports the change.
func (p *Portal) askNotMe(c *gin.Context) error {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	changes, err := p.History.History(ctx, mapper.ID(user.ID), historyLength+1)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(changes, func(change mapper.Change) bool { return change.ID == c.Param("change") })
	if at < 0 { // somebody else's, or nobody's: that is the same here
		return pageNotFound
	}
	now, err := p.current(ctx, user)
	if err != nil {
		return err
	}
	entry, err := p.historyEntry(ctx, changes[at], now.report, map[string]string{})
	if err != nil {
		return err
	}
	view := templates.NotMeView{
		Page: p.frame(c.Request, templates.History, i18n.T(ctx, "not_me.title")), Entry: entry, Action: notMeHref(changes[at].ID),
		Linked: now.linked, Reported: entry.Reported, Confirm: i18n.T(ctx, "not_me.confirm"),
	}
	if now.report != nil && now.report.Open() {
		view.Open = i18n.T(ctx, "not_me.open", "number", now.report.Number)
		view.Confirm = i18n.T(ctx, "not_me.confirm_more")
	} else if !now.linked {
		view.Confirm = i18n.T(ctx, "not_me.confirm_none")
	}
	web.Render(c, http.StatusOK, templates.NotMePage(view))
	return nil
}

// notMe reports the change: payments stop, and staff have a case to settle. Sent again, it does nothing and shows the same.
func (p *Portal) notMe(c *gin.Context) error {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	if err := p.mayReport(ctx, user); err != nil {
		return err
	}
	item := p.item(user)
	item.Change = mapper.String(c.Param("change"))
	result, err := p.Reports.Report(ctx, actor(ctx, rand.Text()), item)
	switch {
	case err != nil:
		return err
	case result.Code == mapper.ChangeUnknown:
		return pageNotFound
	case result.Status != mapper.Succeeded:
		return errors.New("report a change: answered " + string(result.Code))
	}
	p.Sessions.ClearDraft(ctx) // it was begun on the link before
	web.Redirect(c, casePath)
	return nil
}

// mayReport refuses a report if the person has frozen their account too often. It is a limit of its own: whoever got into
// the session and used up the changes must not keep the person from stopping payments.
func (p *Portal) mayReport(ctx context.Context, user web.User) error {
	return p.limit(ctx, user, func(change mapper.Change) bool { return change.Action == mapper.Freeze })
}

// showCase tells what becomes of the person's last report.
func (p *Portal) showCase(c *gin.Context) error {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	now, err := p.current(ctx, user)
	if err != nil {
		return err
	}
	if now.report == nil {
		web.Redirect(c, accountPath)
		return nil
	}
	view := p.caseView(ctx, *now.report)
	view.Page = p.frame(c.Request, templates.Account, view.Heading)
	view.Linked = now.linked
	if now.linked {
		if view.Card, err = p.card(ctx, now.fa, now.provider); err != nil {
			return err
		}
	}
	web.Render(c, http.StatusOK, templates.CasePage(view))
	return nil
}

func (p *Portal) caseView(ctx context.Context, report mapper.Case) templates.CaseView {
	view := templates.CaseView{
		Open: report.Open(), Number: report.Number, Heading: i18n.T(ctx, "case.open_title"),
		When: i18n.T(ctx, "case.told", "when", i18n.DateTime(ctx, report.OpenedAt.In(p.Location))),
	}
	if !report.Open() {
		view.Heading = i18n.T(ctx, "case.settled_title")
		view.When = i18n.T(ctx, "case.settled", "when", i18n.DateTime(ctx, report.SettledAt.In(p.Location)))
		view.Outcome = i18n.T(ctx, "case.outcome."+string(report.Outcome))
		view.Advice = i18n.T(ctx, "case.advice."+string(report.Outcome))
	}
	return view
}

// caseNotice is what the account page says about the person's last report; nil if it was settled long ago.
func (p *Portal) caseNotice(ctx context.Context, report *mapper.Case) *templates.CaseNotice {
	switch {
	case report == nil, !report.Open() && p.Now().Sub(report.SettledAt) > settledShown:
		return nil
	case report.Open():
		return &templates.CaseNotice{
			Open: true, Number: report.Number, Heading: i18n.T(ctx, "account.stopped_title"),
			Text: i18n.T(ctx, "account.stopped", "date", i18n.Date(ctx, report.OpenedAt.In(p.Location))),
			More: i18n.T(ctx, "account.stopped_more"),
		}
	default:
		return &templates.CaseNotice{
			Number: report.Number, Heading: i18n.T(ctx, "account.settled_title", "date", i18n.Date(ctx, report.SettledAt.In(p.Location))),
			Text: i18n.T(ctx, "case.outcome."+string(report.Outcome)), More: i18n.T(ctx, "account.settled_more"),
		}
	}
}
