package handlers

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// numberFields are the inputs for the number, named as the attribute of the address.
var numberFields = map[mapper.Kind]templates.Field{
	mapper.Bank:         {Name: "account_number", Type: "text", InputMode: "text", Autocomplete: "off", Direction: "ltr"},
	mapper.MobileWallet: {Name: "mobile_number", Type: "tel", InputMode: "tel", Autocomplete: "tel", Direction: "ltr"},
	mapper.EmailWallet:  {Name: "email_address", Type: "email", InputMode: "email", Autocomplete: "email", Direction: "ltr"},
}

// choice is the bank and branch, or the wallet provider, that a draft names, as the directory has it now.
type choice struct {
	provider mapper.DFSP
	branch   mapper.Branch     // zero for wallets
	rule     mapper.NumberRule // of the provider's account numbers
}

// choice looks up what the draft names. ok is false if nothing was chosen yet, or it is no longer in the directory.
func (p *Portal) choice(ctx context.Context, draft web.Draft) (chosen choice, ok bool, err error) {
	if draft.DFSP == "" {
		return choice{}, false, nil
	}
	chosen.provider, err = p.Directory.Provider(ctx, draft.DFSP)
	if err == nil && mapper.Kind(draft.Kind) == mapper.Bank {
		chosen.branch, err = p.Directory.Branch(ctx, draft.DFSP, draft.Branch)
	}
	if errors.Is(err, mapper.ErrNotFound) {
		return choice{}, false, nil
	}
	if err != nil || string(chosen.provider.Kind) != draft.Kind {
		return choice{}, false, err
	}
	strategy, err := p.Strategies.Of(ctx, chosen.provider)
	chosen.rule = strategy.NumberRule
	return chosen, err == nil, err
}

// askDetails asks for the account number, phone number or e-mail address.
func (p *Portal) askDetails(kind mapper.Kind) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		ctx := c.Request.Context()
		draft, ok := p.draft(c, kind)
		if !ok {
			return nil
		}
		chosen, ok, err := p.choice(ctx, draft)
		if err != nil {
			return err
		}
		if !ok {
			web.Redirect(c, choicePath(kind))
			return nil
		}
		web.Render(c, http.StatusOK, templates.DetailsPage(p.detailsView(c, kind, chosen, draft.Account, "")))
		return nil
	}
}

// takeDetails checks what was typed and keeps it, in the form it is stored in.
func (p *Portal) takeDetails(kind mapper.Kind) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		ctx := c.Request.Context()
		draft, ok := p.draft(c, kind)
		if !ok {
			return nil
		}
		chosen, ok, err := p.choice(ctx, draft)
		if err != nil {
			return err
		}
		if !ok {
			web.Redirect(c, choicePath(kind))
			return nil
		}
		typed := c.PostForm(numberFields[kind].Name)
		number, problem := p.readNumber(ctx, chosen, typed)
		if problem == "" {
			draft.Account = number
			if _, err := p.address(ctx, draft, chosen); errors.Is(err, mapper.ErrValues) {
				problem = i18n.T(ctx, "details.invalid."+string(kind), "example", p.examplePhone())
			} else if err != nil {
				return err
			}
		}
		if problem != "" {
			view := p.detailsView(c, kind, chosen, typed, problem)
			if web.IsFragment(c) {
				web.Render(c, http.StatusUnprocessableEntity, templates.DetailsFragment(view))
			} else {
				web.Render(c, http.StatusUnprocessableEntity, templates.DetailsPage(view))
			}
			return nil
		}
		p.Sessions.SetDraft(ctx, draft)
		web.Redirect(c, checkPath)
		return nil
	}
}

func (p *Portal) detailsView(c *gin.Context, kind mapper.Kind, chosen choice, value, problem string) templates.DetailsView {
	ctx := c.Request.Context()
	field := numberFields[kind]
	field.Label = i18n.T(ctx, "details.label."+string(kind))
	field.Hint = p.numberHint(ctx, chosen)
	if chosen.rule.OnlyDigits() {
		field.InputMode = "numeric"
	}
	field.Value, field.Error = value, problem
	heading := i18n.T(ctx, "details.title."+string(kind))
	view := templates.DetailsView{
		Page:    p.stepFrame(c.Request, 3, titled(ctx, heading, problem)),
		Heading: heading, Action: choicePath(kind) + detailsStep, ChooseHref: choicePath(kind),
		Icon: string(kind), Provider: chosen.provider.Name, Field: field,
	}
	if kind == mapper.Bank {
		view.Branch = branchName(ctx, chosen.branch)
	}
	return view
}
