package handlers

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// askRemove shows what would be removed.
func (p *Portal) askRemove(c *gin.Context) error {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	now, err := p.current(ctx, user)
	if err != nil {
		return err
	}
	if !now.linked {
		web.Redirect(c, accountPath)
		return nil
	}
	view := templates.RemoveView{Page: p.frame(c.Request, templates.Account, i18n.T(ctx, "remove.title")), State: now.state, Language: i18n.Language(ctx)}
	if view.Card, err = p.card(ctx, now.fa, now.provider); err != nil {
		return err
	}
	if view.Waiting, err = p.waiting(ctx, now); err != nil {
		return err
	}
	if !now.effective.IsZero() {
		view.Held = i18n.T(ctx, "remove.held", "when", p.moment(ctx, now.effective))
	}
	web.Render(c, http.StatusOK, templates.RemovePage(view))
	return nil
}

// remove unlinks the account that the person saw. Sent a second time it does nothing and shows the outcome of the first.
func (p *Portal) remove(c *gin.Context) error {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	now, err := p.current(ctx, user)
	if err != nil {
		return err
	}
	if !now.linked {
		web.Redirect(c, donePath)
		return nil
	}
	if c.PostForm("state") != now.state {
		return stale
	}
	if err := p.mayChange(ctx, user); err != nil {
		return err
	}
	item := p.item(user)
	item.Base = mapper.String(now.state) // the mapper refuses if the link is in another state by now
	item.Consent = consent(c, "remove.warning")
	results, err := p.Mapper.Unlink(ctx, actor(ctx, rand.Text()), []mapper.Item{item})
	if err != nil {
		return fmt.Errorf("unlink the person's account: %w", err)
	}
	switch r := results[0]; {
	case r.Status == mapper.Succeeded:
		p.Sessions.Finish(ctx, web.Done{Action: string(mapper.Unlink), ChangeID: r.ChangeID, At: p.Now()})
		web.Redirect(c, donePath)
		return nil
	case r.Code == mapper.StateStale:
		return stale
	default:
		return errors.New("unlink the person's account: answered " + string(r.Code))
	}
}
