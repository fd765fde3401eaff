package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// check shows everything once more before it counts. It is the one page with the account number in full.
func (p *Portal) check(c *gin.Context) error {
	ctx := c.Request.Context()
	draft, chosen, ok, err := p.complete(c)
	if err != nil || !ok {
		return err
	}
	user, _ := p.person(ctx)
	now, err := p.current(ctx, user)
	if err != nil {
		return err
	}
	if now.state != draft.Base {
		p.Sessions.ClearDraft(ctx)
		return stale
	}
	fa, err := p.address(ctx, draft, chosen)
	if err != nil {
		return err
	}
	kind := mapper.Kind(draft.Kind)
	view := templates.CheckView{
		Page:     p.stepFrame(c.Request, 4, i18n.T(ctx, "check.title")),
		Changing: now.linked, BackHref: choicePath(kind) + detailsStep, Rows: checkRows(ctx, draft, chosen),
		Language: i18n.Language(ctx), Stopped: now.stopped(),
		Consent: i18n.T(ctx, consentKey(now, fa)), Held: p.heldNote(ctx, now, fa),
	}
	if view.Waiting, err = p.waiting(ctx, now); err != nil {
		return err
	}
	if now.linked {
		if view.Current, err = p.card(ctx, now.fa, now.provider); err != nil {
			return err
		}
	}
	web.Render(c, http.StatusOK, templates.CheckPage(view))
	return nil
}

// complete returns the draft if nothing is missing in it, and otherwise sends the person to what is.
func (p *Portal) complete(c *gin.Context) (web.Draft, choice, bool, error) {
	draft, ok := p.Sessions.Draft(c.Request.Context())
	if !ok {
		web.Redirect(c, kindPath)
		return web.Draft{}, choice{}, false, nil
	}
	path := choicePath(mapper.Kind(draft.Kind))
	chosen, ok, err := p.choice(c.Request.Context(), draft)
	switch {
	case err != nil:
		return web.Draft{}, choice{}, false, err
	case !ok:
		web.Redirect(c, path)
	case !p.keepsRule(c.Request.Context(), draft, chosen): // or the rule has changed since it was typed
		web.Redirect(c, path+detailsStep)
	default:
		return draft, chosen, true, nil
	}
	return web.Draft{}, choice{}, false, nil
}

func (p *Portal) keepsRule(ctx context.Context, draft web.Draft, chosen choice) bool {
	number, problem := p.readNumber(ctx, chosen, draft.Account)
	return problem == "" && number == draft.Account
}

func checkRows(ctx context.Context, draft web.Draft, chosen choice) []templates.Row {
	kind := mapper.Kind(draft.Kind)
	path := choicePath(kind)
	number := templates.Row{
		Key: i18n.T(ctx, "details.label."+draft.Kind), Value: chosen.rule.Grouped(draft.Account), Strong: true,
		ChangeHref: path + detailsStep, ChangeWhat: i18n.T(ctx, "check.change_number"),
	}
	rows := []templates.Row{{
		Key: i18n.T(ctx, "check.kind"), Value: i18n.T(ctx, "account_kind."+draft.Kind),
		ChangeHref: kindPath, ChangeWhat: i18n.T(ctx, "check.change_kind"),
	}}
	if kind != mapper.Bank {
		if kind == mapper.MobileWallet {
			number.Value = readablePhone(draft.Account)
		}
		return append(rows, templates.Row{
			Key: i18n.T(ctx, "check.provider"), Value: chosen.provider.Name,
			ChangeHref: path, ChangeWhat: i18n.T(ctx, "check.change_provider"),
		}, number)
	}
	return append(rows, templates.Row{
		Key: i18n.T(ctx, "check.bank"), Value: chosen.provider.Name,
		ChangeHref: path, ChangeWhat: i18n.T(ctx, "check.change_bank"),
	}, templates.Row{
		Key: i18n.T(ctx, "check.branch"), Value: branchName(ctx, chosen.branch),
		Detail:     i18n.T(ctx, "check.branch_code", "code", chosen.branch.Code),
		ChangeHref: path, ChangeWhat: i18n.T(ctx, "check.change_branch"),
	}, number)
}

// confirm makes the change: a link if there is none, else an update. It counts once, however often it is sent: the draft's
// reference is the message's id, which the mapper accepts once, and the draft is gone afterwards.
func (p *Portal) confirm(c *gin.Context) error {
	ctx := c.Request.Context()
	if _, ok := p.Sessions.Draft(ctx); !ok {
		web.Redirect(c, donePath)
		return nil
	}
	draft, chosen, ok, err := p.complete(c)
	if err != nil || !ok {
		return err
	}
	fa, err := p.address(ctx, draft, chosen)
	if err != nil {
		return err
	}
	user, _ := p.person(ctx)
	now, err := p.current(ctx, user)
	if err != nil {
		return err
	}
	if now.state != draft.Base {
		if strings.EqualFold(now.fa, fa) || now.held != nil && strings.EqualFold(now.held.FA, fa) { // the same confirmation was sent a moment ago
			web.Redirect(c, donePath)
			return nil
		}
		p.Sessions.ClearDraft(ctx)
		return stale
	}
	if err := p.mayChange(ctx, user); err != nil {
		return err
	}
	return p.change(c, user, draft, fa, now)
}

// address constructs the financial address of a complete draft.
func (p *Portal) address(ctx context.Context, draft web.Draft, chosen choice) (string, error) {
	kind := mapper.Kind(draft.Kind)
	attributes := map[string]string{numberFields[kind].Name: draft.Account, "fa_type": faTypes[kind]}
	if kind == mapper.Bank {
		attributes["bank_code"], attributes["bank_name"] = chosen.provider.Code, chosen.provider.Name
		attributes["branch_code"], attributes["branch_name"] = chosen.branch.Code, chosen.branch.Name
	} else {
		attributes["provider_code"] = chosen.provider.Code
		attributes["wallet_provider_code"], attributes["wallet_provider_name"] = chosen.provider.Code, chosen.provider.Name
	}
	return p.Strategies.Construct(ctx, chosen.provider, attributes)
}

// faTypes are what existing registries write into an address of key-value form.
var faTypes = map[mapper.Kind]string{
	mapper.Bank: "BANK_ACCOUNT", mapper.MobileWallet: "MOBILE_WALLET", mapper.EmailWallet: "EMAIL_WALLET",
}

func (p *Portal) change(c *gin.Context, user web.User, draft web.Draft, fa string, now link) error {
	ctx := c.Request.Context()
	action, do := mapper.Link, p.Mapper.Link
	if now.linked {
		action, do = mapper.Update, p.Mapper.Update
	}
	item := p.item(user)
	item.FA = mapper.String(fa)
	item.Base = mapper.String(draft.Base)
	item.Consent = consent(c, consentKey(now, fa))
	p.introduce(ctx, &item, user)
	results, err := do(ctx, actor(ctx, draft.Reference), []mapper.Item{item})
	if errors.Is(err, mapper.ErrDuplicateMessage) { // the same confirmation is under way in another request
		web.Redirect(c, donePath)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s the person's account: %w", action, err)
	}
	if r := results[0]; r.Status != mapper.Succeeded {
		p.Sessions.ClearDraft(ctx)
		if r.Code == mapper.FAInvalid {
			return refused
		}
		return stale // changed by someone else since we looked
	}
	if !results[0].EffectiveAt.IsZero() {
		action = mapper.Hold
	}
	p.Sessions.Finish(ctx, web.Done{Action: string(action), ChangeID: results[0].ChangeID, At: p.Now()})
	web.Redirect(c, donePath)
	return nil
}

// introduce adds to a change what the login provider vouched for about the person, as far as it can be kept.
func (p *Portal) introduce(ctx context.Context, item *mapper.Item, user web.User) {
	item.Locale = mapper.String(i18n.Language(ctx))
	if name := user.Name; utf8.RuneCountInString(name) <= 256 && !strings.ContainsFunc(name, unicode.IsControl) {
		item.Name = mapper.String(name)
	}
	if phone, problem := p.readPhone(ctx, choice{}, user.Phone); problem == "" {
		item.Phone = mapper.String(phone)
	}
	if email, problem := readEmail(ctx, strings.TrimSpace(user.Email)); problem == "" {
		item.Email = mapper.String(email)
	}
}

// consentVersion changes with the meaning of the texts that people agree to.
const consentVersion = "1"

// consent is the text of the catalogue that the person agrees to by sending a form, in the language that the form was shown
// in.
func consent(c *gin.Context, key string) *mapper.Consent {
	ctx := c.Request.Context()
	if shown := c.PostForm("consent"); i18n.Has(shown) {
		ctx = i18n.With(ctx, shown)
	}
	return &mapper.Consent{Text: i18n.T(ctx, key), Version: consentVersion, Language: i18n.Language(ctx)}
}

// done shows the outcome of the last change.
func (p *Portal) done(c *gin.Context) error {
	ctx := c.Request.Context()
	done, ok := p.Sessions.Done(ctx)
	if !ok {
		web.Redirect(c, accountPath)
		return nil
	}
	user, _ := p.person(ctx)
	now, err := p.current(ctx, user)
	if err != nil {
		return err
	}
	if done.Action == string(mapper.Hold) {
		return p.doneHeld(c, done, now)
	}
	stopped := done.Action == string(mapper.Cancel)
	if removed := done.Action == string(mapper.Unlink); removed == now.linked && !stopped || stopped && now.held != nil { // it was changed again since
		web.Redirect(c, accountPath)
		return nil
	}
	heading := i18n.T(ctx, "done."+done.Action)
	view := templates.DoneView{
		Page: p.frame(c.Request, templates.Account, heading), Heading: heading, Reference: done.ChangeID,
		When: i18n.DateTime(ctx, done.At.In(p.Location)), Removed: !now.linked, Stopped: now.stopped(),
		Kept: stopped,
	}
	if now.linked {
		if view.Card, err = p.card(ctx, now.fa, now.provider); err != nil {
			return err
		}
	}
	web.Render(c, http.StatusOK, templates.DonePage(view))
	return nil
}
