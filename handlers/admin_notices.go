package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"spar/internal/audit"
	"spar/internal/notices"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

const noticesPath = "/admin/notices"

// Notices is the outbox of messages to people, as staff see it: counts, never a message.
type Notices interface {
	Counts(ctx context.Context) ([]notices.Count, error)
	Waiting(ctx context.Context) ([]notices.Count, error)
	Resend(ctx context.Context, by audit.Actor, channel string) (int64, error)
}

// showNotices tells how the messages to people fare, and offers to send those again that were given up.
func (a *Admin) showNotices(c *gin.Context) error {
	ctx := c.Request.Context()
	if a.Notices == nil {
		return adminNotFound
	}
	counts, err := a.Notices.Counts(ctx)
	if err != nil {
		return err
	}
	view := templates.NoticesView{
		Page: a.frame(c.Request, templates.Elsewhere, i18n.T(ctx, "admin.notices.title")),
		Counts: templates.Table{
			Caption: i18n.T(ctx, "admin.notices.title"), Empty: i18n.T(ctx, "admin.notices.none"),
			Columns: columns(ctx, "channel", "state", "reason", "messages#", "oldest"),
		},
	}
	given := map[string]int64{}
	for _, n := range counts {
		view.Counts.Rows = append(view.Counts.Rows, a.noticesRow(ctx, n))
		if n.State == notices.GivenUp {
			given[n.Channel] += n.Count
		}
	}
	for _, channel := range []string{notices.Email, notices.SMS} {
		if given[channel] > 0 && a.mayChange(c.Request) {
			view.Resend = append(view.Resend, templates.LoginButton{
				Label: i18n.T(ctx, "admin.notices.resend."+channel), Href: resendPath(channel),
			})
		}
	}
	web.Render(c, http.StatusOK, templates.NoticesPage(view))
	return nil
}

var noticeMarks = map[string]string{notices.Queued: templates.Waiting, notices.Delivered: templates.Good, notices.GivenUp: templates.Bad}

func (a *Admin) noticesRow(ctx context.Context, n notices.Count) []templates.Cell {
	reason := templates.Cell{Text: i18n.T(ctx, "admin.notices.failure.none")}
	if n.Failure != "" {
		reason = templates.Cell{Text: i18n.T(ctx, "admin.notices.failure."+n.Failure), Detail: n.Failure}
	}
	return []templates.Cell{
		{Text: i18n.T(ctx, "admin.notices.channel."+n.Channel)}, mark(i18n.T(ctx, "admin.notices.state."+n.State), noticeMarks[n.State]), reason,
		number(ctx, n.Count), {Text: a.when(ctx, time.UnixMilli(n.Oldest))},
	}
}

func resendPath(channel string) string { return noticesPath + "/" + channel + "/resend" }

// askResend shows how many messages would be sent again.
func (a *Admin) askResend(c *gin.Context) error {
	ctx := c.Request.Context()
	channel := c.Param("channel")
	if a.Notices == nil || channel != notices.Email && channel != notices.SMS {
		return adminNotFound
	}
	counts, err := a.Notices.Counts(ctx)
	if err != nil {
		return err
	}
	var given int64
	for _, n := range counts {
		if n.Channel == channel && n.State == notices.GivenUp {
			given += n.Count
		}
	}
	title := i18n.T(ctx, "admin.notices.resend."+channel)
	web.Render(c, http.StatusOK, templates.ConfirmPage(templates.ConfirmView{
		Page: a.frame(c.Request, templates.Elsewhere, title), BackHref: noticesPath, Heading: title,
		Paragraphs: []string{
			i18n.T(ctx, "admin.notices.resend_count", "count", int(given), "number", i18n.Number(ctx, int(given))), i18n.T(ctx, "admin.notices.resend_text"),
		},
		Action: resendPath(channel), Confirm: i18n.T(ctx, "admin.notices.resend_confirm"),
	}))
	return nil
}

// resend queues what was given up on a channel once more.
func (a *Admin) resend(c *gin.Context) error {
	ctx := c.Request.Context()
	channel := c.Param("channel")
	if a.Notices == nil || channel != notices.Email && channel != notices.SMS {
		return adminNotFound
	}
	if _, err := a.Notices.Resend(ctx, a.by(ctx), channel); err != nil {
		return err
	}
	a.Sessions.Flash(ctx, "admin.flash.resent")
	web.Redirect(c, noticesPath)
	return nil
}

// noticesSummary tells on the overview how many messages wait; empty if there are none to send.
func (a *Admin) noticesSummary(ctx context.Context) (string, error) {
	if a.Notices == nil {
		return "", nil
	}
	waiting, err := a.Notices.Waiting(ctx)
	if err != nil {
		return "", err
	}
	var n int64
	for _, count := range waiting {
		n += count.Count
	}
	return i18n.T(ctx, "admin.notices.waiting", "count", int(n), "number", i18n.Number(ctx, int(n))), nil
}
