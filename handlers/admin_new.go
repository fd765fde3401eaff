package handlers

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// newPartner is the last part of the path of the page for one, which so cannot be a partner's reference id here.
const newPartner = "new"

// askPartner asks for a new partner's name and reference id.
func (a *Admin) askPartner(c *gin.Context) error {
	web.Render(c, http.StatusOK, templates.NewPartnerPage(a.newPartnerView(c, "", "", "", "")))
	return nil
}

// addPartner begins an onboarding: the partner is in the register from here on, without any rights.
func (a *Admin) addPartner(c *gin.Context) error {
	ctx := c.Request.Context()
	name, reference := strings.TrimSpace(c.PostForm("name")), strings.TrimSpace(c.PostForm("reference_id"))
	wrongName, wrongReference := "", ""
	if name == "" {
		wrongName = i18n.T(ctx, "admin.new.name_missing")
	}
	if reference == "" {
		wrongReference = i18n.T(ctx, "admin.new.reference_missing")
	} else if reference == newPartner {
		wrongReference = i18n.T(ctx, "admin.new.reference_taken")
	}
	if wrongName == "" && wrongReference == "" {
		_, err := a.Register.Add(ctx, a.by(ctx), keymgr.Partner{ReferenceID: reference, Name: name, Status: keymgr.Draft}, nil)
		if err == nil {
			return a.goOn(c, reference, "admin.flash.begun")
		}
		if wrongName, wrongReference = a.newPartnerProblem(ctx, err); wrongName == "" && wrongReference == "" {
			return err
		}
	}
	web.Render(c, http.StatusUnprocessableEntity, templates.NewPartnerPage(a.newPartnerView(c, name, reference, wrongName, wrongReference)))
	return nil
}

// newPartnerProblem says what the register has against a new partner; nothing if it is no fault of the form.
func (a *Admin) newPartnerProblem(ctx context.Context, err error) (name, reference string) {
	switch {
	case errors.Is(err, keymgr.ErrExists):
		return "", i18n.T(ctx, "admin.new.reference_taken")
	case errors.Is(err, keymgr.ErrInvalid) && strings.Contains(err.Error(), "name:"):
		return i18n.T(ctx, "admin.new.name_invalid"), ""
	case errors.Is(err, keymgr.ErrInvalid):
		return "", i18n.T(ctx, "admin.new.reference_invalid")
	}
	return "", ""
}

func (a *Admin) newPartnerView(c *gin.Context, name, reference, wrongName, wrongReference string) templates.NewPartnerView {
	ctx := c.Request.Context()
	return templates.NewPartnerView{
		Page:  a.frame(c.Request, templates.AdminPartners, titled(ctx, i18n.T(ctx, "admin.new.title"), wrongName+wrongReference)),
		Steps: a.steps(ctx, keymgr.Partner{}, "name"),
		Name: templates.Field{
			Name: "name", Type: "text", Label: i18n.T(ctx, "admin.new.name"), Hint: i18n.T(ctx, "admin.new.name_hint"), Value: name, Error: wrongName,
			Autocomplete: "off",
		},
		Reference: templates.Field{
			Name: "reference_id", Type: "text", Label: i18n.T(ctx, "admin.new.reference"), Hint: i18n.T(ctx, "admin.new.reference_hint"),
			Value: reference, Error: wrongReference, Direction: "ltr", Autocomplete: "off",
		},
	}
}
