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

	"github.com/gin-gonic/gin"

	"spar/internal/audit"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// auditPage is how many events are shown at once.
const auditPage = 15

// auditActions are the actions that can be asked for, some of them as groups; see [audit.Filter].
func auditActions() []string {
	return []string{
		"partner.", "certificate.", "trust_anchor.", "change.", audit.Link, audit.Update, audit.Unlink, audit.Cancel, audit.Apply, "case.", audit.Freeze, audit.Restore, "links.", "directory.", "notice.", audit.Login, audit.LoginRefused, audit.Logout,
		audit.AccessDenied, "call.", "key.", "server.",
	}
}

// showAudit lists the events that the filter lets through, the newest first.
func (a *Admin) showAudit(c *gin.Context) error {
	ctx := c.Request.Context()
	asked := c.Request.URL.Query()
	filter := a.auditFilter(asked)
	filter.Limit = auditPage + 1
	filter.Before, _ = strconv.ParseInt(asked.Get("before"), 10, 64)
	entries, err := a.Trail.List(ctx, filter)
	if err != nil {
		return err
	}
	view := a.auditView(ctx, asked)
	view.Page = a.frame(c.Request, templates.AdminAudit, i18n.T(ctx, "admin.audit.title"))
	if len(entries) > auditPage {
		entries = entries[:auditPage]
		view.Older = auditPath + "?" + auditQuery(asked, entries[auditPage-1].Seq)
	}
	view.Events = a.events(ctx, entries, "")
	if err := a.describeEnd(ctx, &view); err != nil {
		return err
	}
	web.Render(c, http.StatusOK, templates.AuditPage(view))
	return nil
}

// describeEnd tells where the log ends, to be noted elsewhere, or that its end is not as SPAR left it.
func (a *Admin) describeEnd(ctx context.Context, view *templates.AuditView) error {
	end, err := a.Trail.Head(ctx)
	if errors.Is(err, audit.ErrTampered) {
		view.Tampered = true
		return nil
	}
	view.End, view.Hash = i18n.T(ctx, "admin.audit.end", "number", i18n.Number(ctx, int(end.Seq))), end.Hash
	return err
}

// downloadAudit writes all events that the filter lets through as CSV.
func (a *Admin) downloadAudit(c *gin.Context) error {
	c.Header("Content-Type", "text/csv; charset=utf-8")
	c.Header("Content-Disposition", `attachment; filename="audit.csv"`)
	if err := a.Trail.WriteCSV(c.Request.Context(), c.Writer, a.auditFilter(c.Request.URL.Query())); err != nil {
		if !c.Writer.Written() {
			c.Header("Content-Disposition", "inline")
			return err
		}
		a.Log.ErrorContext(c.Request.Context(), "audit log not written whole", "request_id", web.RequestID(c.Request.Context()), "error", err)
		panic(http.ErrAbortHandler) // half a log must not look like a whole one
	}
	return nil
}

// auditFilter is what was asked for. What cannot be understood filters nothing and is not repeated in the form.
func (a *Admin) auditFilter(asked url.Values) audit.Filter {
	filter := audit.Filter{Action: asked.Get("action"), Partner: strings.TrimSpace(asked.Get("partner")), Actor: strings.TrimSpace(asked.Get("actor"))}
	if day, ok := a.day(asked.Get("from")); ok {
		filter.From = day
	}
	if day, ok := a.day(asked.Get("until")); ok {
		filter.Until = day.AddDate(0, 0, 1)
	}
	return filter
}

// day reads a date as browsers' date fields send it.
func (a *Admin) day(text string) (time.Time, bool) {
	day, err := time.ParseInLocation(time.DateOnly, text, a.Location)
	return day, err == nil
}

func (a *Admin) auditView(ctx context.Context, asked url.Values) templates.AuditView {
	field := func(name, kind string) templates.Field {
		f := templates.Field{
			Name: name, Label: i18n.T(ctx, "admin.audit."+name), Type: kind, Value: strings.TrimSpace(asked.Get(name)), Direction: "ltr", Autocomplete: "off",
		}
		if _, ok := a.day(f.Value); kind == "date" && !ok {
			f.Value = ""
		}
		return f
	}
	view := templates.AuditView{
		Action:  templates.Select{Name: "action", Label: i18n.T(ctx, "admin.audit.action")},
		Partner: field("partner", "text"), Actor: field("actor", "text"), From: field("from", "date"), Until: field("until", "date"),
		Download: auditPath + ".csv?" + auditQuery(asked, 0),
	}
	for _, action := range append([]string{""}, auditActions()...) {
		view.Action.Options = append(view.Action.Options, templates.Option{
			Value: action, Label: actionText(ctx, action), Checked: asked.Get("action") == action,
		})
	}
	return view
}

// auditQuery repeats what was asked for, from a place in the log on.
func auditQuery(asked url.Values, before int64) string {
	q := url.Values{}
	for _, name := range []string{"action", "partner", "actor", "from", "until"} {
		if value := strings.TrimSpace(asked.Get(name)); value != "" {
			q.Set(name, value)
		}
	}
	if before > 0 {
		q.Set("before", strconv.FormatInt(before, 10))
	}
	return q.Encode()
}

// events is a table of the audit log. On the page of a partner, nothing says again what it was done to.
func (a *Admin) events(ctx context.Context, entries []audit.Entry, partner string) templates.Table {
	table := templates.Table{
		Caption: i18n.T(ctx, "admin.audit.title"), Empty: i18n.T(ctx, "admin.audit.none"),
		Columns: columns(ctx, "event", "target", "who", "change"),
	}
	if partner != "" {
		table.Columns = slices.Delete(table.Columns, 1, 2)
	}
	for _, e := range entries {
		change := e.After
		if e.Before != "" {
			change = i18n.T(ctx, "admin.audit.change", "before", e.Before, "after", e.After)
		}
		row := []templates.Cell{
			{Text: actionText(ctx, e.Action), Detail: a.exactly(ctx, e.At) + " · " + strconv.FormatInt(e.Seq, 10)},
			{Text: e.Target}, a.who(ctx, e.Actor), {Text: change, Detail: e.DetailText()},
		}
		if partner != "" {
			row = slices.Delete(row, 1, 2)
		}
		table.Rows = append(table.Rows, row)
	}
	return table
}

// exactly writes a moment to the second.
func (a *Admin) exactly(ctx context.Context, t time.Time) string {
	t = t.In(a.Location)
	return i18n.T(ctx, "date.day_time", "day", i18n.Date(ctx, t), "time", t.Format(time.TimeOnly))
}

func (a *Admin) who(ctx context.Context, by audit.Actor) templates.Cell {
	cell := templates.Cell{Text: i18n.T(ctx, "admin.actor."+by.Kind), Detail: by.ID}
	if user, ok := a.Sessions.User(ctx); ok && by.ID == actorOf(ctx, user).ID && by.Kind == audit.Staff {
		cell.Text = i18n.T(ctx, "admin.actor.you")
	}
	return cell
}

// actionText says what was done; an action that has no text is shown as it is.
func actionText(ctx context.Context, action string) string {
	key := "admin.action." + strings.TrimSuffix(action, ".")
	if action == "" {
		key = "admin.action.any"
	}
	if strings.HasSuffix(action, ".") {
		key += ".any"
	}
	if text := i18n.T(ctx, key); text != key {
		return text
	}
	return action
}
