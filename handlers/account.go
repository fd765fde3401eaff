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

// link is what the registry holds for the person: the zero value if nothing.
type link struct {
	linked    bool
	inactive  bool
	fa        string
	provider  mapper.AccountProvider
	changedAt time.Time
	report    *mapper.Case // what the person reported last; nil if nothing
	held      *mapper.Held // the change that waits; nil if none does
	effective time.Time    // when a change that is asked for now counts; zero: at once
	state     string       // names this state of the link, so that a form can say which state it was made from
}

// stopped reports whether payments are stopped because the person reported a change.
func (l link) stopped() bool { return l.report != nil && l.report.Open() }

// actor is the person acting through the portal. message names the request; the mapper accepts each one once.
func actor(ctx context.Context, message string) mapper.Actor {
	return mapper.Actor{
		Partner: SelfService, ByBeneficiary: true, MessageID: message, TransactionID: message, RequestID: web.RequestID(ctx),
	}
}

// current asks the registry for the person's link.
func (p *Portal) current(ctx context.Context, user web.User) (link, error) {
	item := p.item(user)
	item.Scope = mapper.String("details")
	results, err := p.Mapper.Resolve(ctx, actor(ctx, rand.Text()), []mapper.Item{item})
	if err != nil {
		return link{}, fmt.Errorf("resolve the person's link: %w", err)
	}
	r := results[0]
	switch {
	case r.Code == mapper.IDNotFound:
		return link{state: r.State, report: r.Case, held: r.Held, effective: r.EffectiveAt}, nil
	case r.Status != mapper.Succeeded || r.Provider == nil:
		return link{}, fmt.Errorf("resolve the person's link: answered %s", r.Code)
	}
	return link{
		linked: true, inactive: r.Code == mapper.IDInactive, fa: r.FA, provider: *r.Provider, changedAt: r.ChangedAt, state: r.State, report: r.Case,
		held: r.Held, effective: r.EffectiveAt,
	}, nil
}

// item names the person of the session. The ID never comes from anywhere else.
func (p *Portal) item(user web.User) mapper.Item {
	return mapper.Item{
		ReferenceID: mapper.String(rand.Text()),
		Timestamp:   mapper.String(p.Now().UTC().Format(time.RFC3339Nano)),
		ID:          mapper.String(user.ID),
	}
}

// showAccount shows where the person's money goes.
func (p *Portal) showAccount(c *gin.Context) error {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	now, err := p.current(ctx, user)
	if err != nil {
		return err
	}
	view := templates.AccountView{Page: p.frame(c.Request, templates.Account, i18n.T(ctx, "account.title"))}
	view.Case, view.Stopped = p.caseNotice(ctx, now.report), now.stopped()
	if now.linked {
		view.Linked, view.Inactive = true, now.inactive
		view.Since = i18n.T(ctx, "account.since", "date", i18n.Date(ctx, now.changedAt.In(p.Location)))
		if view.Card, err = p.card(ctx, now.fa, now.provider); err != nil {
			return err
		}
	}
	if view.Waiting, err = p.waiting(ctx, now); err != nil {
		return err
	}
	web.Render(c, http.StatusOK, templates.AccountPage(view))
	return nil
}

// card shows an account by its financial address. One that fits no strategy any more is shown without its number.
func (p *Portal) card(ctx context.Context, fa string, provider mapper.AccountProvider) (templates.AccountCard, error) {
	return accountCard(ctx, p.Strategies, p.Directory, fa, provider)
}

func accountCard(ctx context.Context, strategies Strategies, directory Directory, fa string, provider mapper.AccountProvider) (templates.AccountCard, error) {
	card := templates.AccountCard{
		Icon: string(provider.Kind), Kind: i18n.T(ctx, "account_kind."+string(provider.Kind)), Provider: provider.Name,
		Number: templates.Masked{Shown: i18n.T(ctx, "account.unknown_number"), Spoken: i18n.T(ctx, "account.unknown_number")},
	}
	if card.Provider == "" {
		card.Provider = provider.Code
	}
	if account, err := strategies.Deconstruct(ctx, fa); err == nil {
		card.Number = masked(ctx, account.Kind, account.Number)
	}
	if provider.Kind != mapper.Bank || provider.Subcode == "" {
		return card, nil
	}
	branch, err := directory.Branch(ctx, provider.Code, provider.Subcode)
	switch {
	case errors.Is(err, mapper.ErrNotFound): // the bank linked it itself, or the branch was closed
		card.Branch = i18n.T(ctx, "check.branch_code", "code", provider.Subcode)
	case err != nil:
		return card, err
	default:
		card.Branch = branchName(ctx, branch)
	}
	return card, nil
}

func branchName(ctx context.Context, b mapper.Branch) string {
	return i18n.T(ctx, "account.branch", "branch", b.Name, "town", b.Town)
}

// masked hides most of an account number. An e-mail address ends like many others, so of it the domain is shown.
func masked(ctx context.Context, kind mapper.Kind, number string) templates.Masked {
	if local, domain, ok := strings.Cut(number, "@"); ok && kind == mapper.EmailWallet {
		shown := "•••@" + domain
		if letters := []rune(local); len(letters) > 2 {
			shown = string(letters[0]) + shown
		}
		return templates.Masked{Shown: shown, Address: true, Spoken: i18n.T(ctx, "account.email_spoken", "address", strings.ReplaceAll(shown, "•••", ""))}
	}
	shown := mapper.Mask(number)
	rest := strings.TrimLeft(shown, "•")
	if rest == "" {
		return templates.Masked{Shown: shown, Spoken: i18n.T(ctx, "account.unknown_number")}
	}
	// Set apart, the characters are read one by one instead of as a number.
	return templates.Masked{Shown: "•••• " + rest, Spoken: i18n.T(ctx, "account.number_spoken", "digits", strings.Join(strings.Split(rest, ""), " "))}
}
