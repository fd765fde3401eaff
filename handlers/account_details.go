package handlers

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/gin-gonic/gin"
	"github.com/nyaruka/phonenumbers"

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
	branch   mapper.Branch // zero for wallets
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
	return chosen, err == nil && string(chosen.provider.Kind) == draft.Kind, err
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
		number, problem := p.readNumber(kind, typed)
		if problem != "" {
			view := p.detailsView(c, kind, chosen, typed, i18n.T(ctx, problem+string(kind), "example", p.examplePhone()))
			if web.IsFragment(c) {
				web.Render(c, http.StatusUnprocessableEntity, templates.DetailsFragment(view))
			} else {
				web.Render(c, http.StatusUnprocessableEntity, templates.DetailsPage(view))
			}
			return nil
		}
		draft.Account = number
		p.Sessions.SetDraft(ctx, draft)
		web.Redirect(c, checkPath)
		return nil
	}
}

func (p *Portal) detailsView(c *gin.Context, kind mapper.Kind, chosen choice, value, problem string) templates.DetailsView {
	ctx := c.Request.Context()
	field := numberFields[kind]
	field.Label = i18n.T(ctx, "details.label."+string(kind))
	field.Hint = i18n.T(ctx, "details.hint."+string(kind), "example", p.examplePhone())
	if kind == mapper.MobileWallet && p.Region == "" {
		field.Hint = i18n.T(ctx, "details.hint_abroad", "example", p.examplePhone())
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

var (
	accountForm = regexp.MustCompile(`^[A-Za-z0-9]{4,34}$`)
	emailForm   = regexp.MustCompile(`^[A-Za-z0-9.!#$%&'*+/=^_{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}$`)
)

const (
	detailsMissing = "details.missing."
	detailsInvalid = "details.invalid."
)

// readNumber checks what was typed and returns it in the form it is stored in, or the family of the message to show.
func (p *Portal) readNumber(kind mapper.Kind, typed string) (number, problem string) {
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return "", detailsMissing
	}
	switch kind {
	case mapper.Bank:
		// People copy numbers as they are printed, in groups.
		number = strings.Map(func(r rune) rune {
			if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) {
				return -1
			}
			return r
		}, typed)
		if accountForm.MatchString(number) {
			return number, ""
		}
	case mapper.MobileWallet:
		phone, err := phonenumbers.Parse(typed, p.Region)
		if err == nil && phonenumbers.IsValidNumber(phone) {
			return phonenumbers.Format(phone, phonenumbers.E164), ""
		}
	case mapper.EmailWallet:
		if len(typed) <= 254 && emailForm.MatchString(typed) {
			return typed, ""
		}
	}
	return "", detailsInvalid
}

// examplePhone is a phone number as people of the region write it.
func (p *Portal) examplePhone() string {
	if example := phonenumbers.GetExampleNumberForType(p.Region, phonenumbers.MOBILE); example != nil {
		return phonenumbers.Format(example, phonenumbers.NATIONAL)
	}
	return phonenumbers.Format(phonenumbers.GetExampleNumberForType("GB", phonenumbers.MOBILE), phonenumbers.INTERNATIONAL)
}

// readablePhone writes a stored phone number in groups, for comparing.
func readablePhone(number string) string {
	phone, err := phonenumbers.Parse(number, "")
	if err != nil {
		return number
	}
	return phonenumbers.Format(phone, phonenumbers.INTERNATIONAL)
}
