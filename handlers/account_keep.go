package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// moment is a time as the person reads it.
func (p *Portal) moment(ctx context.Context, at time.Time) string {
	return i18n.DateTime(ctx, at.In(p.Location))
}

// waiting describes the change that waits; nil if none does.
func (p *Portal) waiting(ctx context.Context, now link) (*templates.HeldChange, error) {
	if now.held == nil {
		return nil, nil
	}
	w := &templates.HeldChange{
		Change: now.held.ChangeID, Heading: i18n.T(ctx, "waiting.title"), Until: i18n.T(ctx, "waiting.until"), Stop: i18n.T(ctx, "waiting.keep"),
		From:  i18n.T(ctx, "waiting.from", "when", p.moment(ctx, now.held.EffectiveAt)),
		Asked: i18n.T(ctx, "waiting.asked", "when", p.moment(ctx, now.held.AskedAt)),
	}
	if !now.linked {
		w.Heading, w.Until, w.Stop = i18n.T(ctx, "waiting.title_link"), i18n.T(ctx, "waiting.until_link"), i18n.T(ctx, "waiting.stop")
	}
	var err error
	w.Card, err = p.card(ctx, now.held.FA, now.held.Provider)
	return w, err
}

// holds reports whether a change to an address would have to wait. The one that is linked already moves no money.
func (l link) holds(fa string) bool {
	return !l.effective.IsZero() && !(l.linked && strings.EqualFold(l.fa, fa))
}

// heldNote says from when a change counts that is about to be confirmed; empty: at once.
func (p *Portal) heldNote(ctx context.Context, now link, fa string) string {
	switch {
	case !now.holds(fa):
		return ""
	case now.linked:
		return i18n.T(ctx, "check.held", "when", p.moment(ctx, now.effective))
	default:
		return i18n.T(ctx, "check.held_link", "when", p.moment(ctx, now.effective))
	}
}

// consentKey is the text that the person agrees to by a change.
func consentKey(now link, fa string) string {
	if !now.holds(fa) {
		return "check.consent"
	}
	return "check.consent_held"
}

// doneHeld shows that a change waits now.
func (p *Portal) doneHeld(c *gin.Context, done web.Done, now link) error {
	ctx := c.Request.Context()
	if now.held == nil || now.held.ChangeID != done.ChangeID { // it counts by now, or was stopped
		web.Redirect(c, accountPath)
		return nil
	}
	heading, text := i18n.T(ctx, "done.hold"), "done.hold_text"
	if !now.linked {
		heading, text = i18n.T(ctx, "done.hold_link"), "done.hold_link_text"
	}
	w, err := p.waiting(ctx, now)
	if err != nil {
		return err
	}
	web.Render(c, http.StatusOK, templates.DonePage(templates.DoneView{
		Page: p.frame(c.Request, templates.Account, heading), Heading: heading, Reference: done.ChangeID,
		When: i18n.DateTime(ctx, done.At.In(p.Location)), Card: w.Card, Stop: w.Stop,
		Held: i18n.T(ctx, text, "when", p.moment(ctx, now.held.EffectiveAt)),
	}))
	return nil
}

// askKeep asks whether the change that waits shall be stopped.
func (p *Portal) askKeep(c *gin.Context) error {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	now, err := p.current(ctx, user)
	if err != nil {
		return err
	}
	if now.held == nil {
		web.Redirect(c, accountPath)
		return nil
	}
	heading := i18n.T(ctx, "keep.title")
	if !now.linked {
		heading = i18n.T(ctx, "keep.title_link")
	}
	view := templates.KeepView{Page: p.frame(c.Request, templates.Account, heading), Heading: heading, Linked: now.linked}
	if view.Waiting, err = p.waiting(ctx, now); err != nil {
		return err
	}
	if now.linked {
		if view.Current, err = p.card(ctx, now.fa, now.provider); err != nil {
			return err
		}
	}
	web.Render(c, http.StatusOK, templates.KeepPage(view))
	return nil
}

// keep stops the change that the person saw. Sent a second time it does nothing and shows the outcome of the first.
func (p *Portal) keep(c *gin.Context) error {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	change := c.PostForm("change")
	stopped, err := p.Holds.CancelHeld(ctx, actor(ctx, rand.Text()), mapper.ID(user.ID), change)
	if errors.Is(err, mapper.ErrNotHeld) {
		done, ok := p.Sessions.Done(ctx)
		if !ok || done.Action != string(mapper.Cancel) || done.Stopped != change { // that was another one
			return notWaiting
		}
		web.Redirect(c, donePath)
		return nil
	}
	if err != nil {
		return fmt.Errorf("stop the person's change: %w", err)
	}
	p.Sessions.Finish(ctx, web.Done{Action: string(mapper.Cancel), ChangeID: stopped.ID, Stopped: change, At: p.Now()})
	web.Redirect(c, donePath)
	return nil
}

// describeHeld adds to an entry of the history what there is to say of a change that is or was held. The entries come with
// the newest first, so what became of a change is known before it comes.
func (p *Portal) describeHeld(ctx context.Context, entry *templates.HistoryEntry, change mapper.Change, ended map[int64]bool) {
	if change.AskedAt.IsZero() {
		return
	}
	asked := change.AskedAt.UnixMilli()
	switch {
	case change.Action != mapper.Hold:
		ended[asked] = true
		entry.Note = i18n.T(ctx, "history.asked", "when", p.moment(ctx, change.AskedAt))
	case ended[asked]:
		entry.Note = i18n.T(ctx, "history.waited", "when", p.moment(ctx, change.EffectiveAt))
	default:
		entry.Note = i18n.T(ctx, "history.waits", "when", p.moment(ctx, change.EffectiveAt))
		entry.Stop = i18n.T(ctx, "waiting.keep")
	}
}
