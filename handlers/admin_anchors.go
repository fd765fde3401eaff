package handlers

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

const anchorsPath = "/admin/trust-anchors"

// listAnchors lists the authorities whose certificates partners may have.
func (a *Admin) listAnchors(c *gin.Context) error {
	ctx := c.Request.Context()
	anchors, err := a.Register.TrustAnchors(ctx)
	if err != nil {
		return err
	}
	view := templates.AnchorsView{
		Page: a.frame(c.Request, templates.AdminAnchors, i18n.T(ctx, "admin.anchors.title")), MayChange: a.mayChange(c.Request),
	}
	for _, anchor := range anchors {
		rows, err := a.anchorRows(ctx, anchor)
		if err != nil {
			return err
		}
		shown := templates.AnchorView{
			Name: anchor.Name, Fingerprint: groups(anchor.Fingerprint),
			Rows: append(rows, templates.Row{Key: i18n.T(ctx, "admin.certificate.added"), Value: a.when(ctx, anchor.AddedAt)}),
		}
		shown.State, shown.Note = a.certificateState(ctx, keymgr.Certificate{NotBefore: anchor.NotBefore, NotAfter: anchor.NotAfter})
		if view.MayChange {
			shown.RemoveHref = anchorsPath + "/" + anchor.Fingerprint + "/remove"
		}
		view.Anchors = append(view.Anchors, shown)
	}
	web.Render(c, http.StatusOK, templates.AnchorsPage(view))
	return nil
}

func (a *Admin) anchorRows(ctx context.Context, anchor keymgr.TrustAnchor) ([]templates.Row, error) {
	d, err := anchor.Details()
	if err != nil {
		return nil, err
	}
	row := func(key, value string) templates.Row {
		return templates.Row{Key: i18n.T(ctx, "admin.certificate."+key), Value: value}
	}
	return []templates.Row{
		row("subject", d.Subject), row("serial", d.Serial),
		row("validity", i18n.T(ctx, "admin.certificate.from_to", "from", a.when(ctx, d.NotBefore), "to", a.when(ctx, d.NotAfter))), row("key", d.Key),
	}, nil
}

// anchorForm is what was sent with an authority's certificate.
type anchorForm struct {
	name, text       string
	upload           []byte
	wrong, wrongName string
}

// askAnchor asks for the certificate of an authority.
func (a *Admin) askAnchor(c *gin.Context) error {
	a.renderAnchorForm(c, http.StatusOK, anchorForm{})
	return nil
}

// checkAnchor judges what was sent and shows it before it is trusted. Nothing is stored.
func (a *Admin) checkAnchor(c *gin.Context) error {
	ctx := c.Request.Context()
	form := anchorForm{name: strings.TrimSpace(c.PostForm("name")), text: c.PostForm("certificate")}
	var err error
	form.upload, err = uploaded(c, "file", maxUpload)
	if errors.Is(err, errUploadTooLarge) {
		form.wrong = i18n.T(ctx, "admin.certificate.too_large")
	} else if err != nil {
		return err
	}
	if len(form.upload) == 0 {
		form.upload = []byte(strings.TrimSpace(form.text))
	}
	if form.wrong == "" && len(form.upload) == 0 {
		form.wrong = i18n.T(ctx, "admin.certificate.missing")
	}
	if form.wrong != "" {
		a.renderAnchorForm(c, http.StatusUnprocessableEntity, form)
		return nil
	}
	return a.renderAnchorCheck(c, http.StatusOK, form, "")
}

// toAnchors leads from the address of the page that a certificate was shown on to where it begins.
func (a *Admin) toAnchors(c *gin.Context) error {
	web.Redirect(c, anchorsPath+"/new")
	return nil
}

// addAnchor trusts the authority that was shown, once its fingerprint was compared.
func (a *Admin) addAnchor(c *gin.Context) error {
	ctx := c.Request.Context()
	form := anchorForm{name: c.PostForm("name")}
	var err error
	if form.upload, err = base64.StdEncoding.DecodeString(c.PostForm("upload")); err != nil || len(form.upload) > maxUpload {
		web.Redirect(c, anchorsPath+"/new")
		return nil
	}
	if c.PostForm("compared") != "yes" {
		return a.renderAnchorCheck(c, http.StatusUnprocessableEntity, form, i18n.T(ctx, "admin.certificate.compare_missing"))
	}
	_, err = a.Register.AddTrustAnchor(ctx, a.by(ctx), form.name, form.upload)
	if form.wrong, form.wrongName = a.anchorProblem(ctx, err); form.wrong+form.wrongName != "" {
		a.renderAnchorForm(c, http.StatusUnprocessableEntity, form)
		return nil
	}
	if err != nil {
		return err
	}
	a.Sessions.Flash(ctx, "admin.flash.anchor_added")
	web.Redirect(c, anchorsPath)
	return nil
}

// anchorProblem says what the register has against an authority's certificate or name; nothing if it is a fault.
func (a *Admin) anchorProblem(ctx context.Context, err error) (certificate, name string) {
	if errors.Is(err, keymgr.ErrInvalid) {
		return "", i18n.T(ctx, "admin.new.name_invalid")
	}
	return a.certificateProblem(ctx, err), ""
}

// askRemoveAnchor shows the authority that would not be trusted any more.
func (a *Admin) askRemoveAnchor(c *gin.Context) error {
	ctx := c.Request.Context()
	anchors, err := a.Register.TrustAnchors(ctx)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(anchors, func(anchor keymgr.TrustAnchor) bool { return anchor.Fingerprint == c.Param("fingerprint") })
	if at < 0 {
		return keymgr.ErrNotFound
	}
	rows, err := a.anchorRows(ctx, anchors[at])
	if err != nil {
		return err
	}
	title := i18n.T(ctx, "admin.anchors.remove_title", "name", anchors[at].Name)
	web.Render(c, http.StatusOK, templates.ConfirmPage(templates.ConfirmView{
		Page: a.frame(c.Request, templates.AdminAnchors, title), BackHref: anchorsPath, Heading: title,
		Paragraphs: []string{i18n.T(ctx, "admin.anchors.remove_text")}, Rows: rows, Fingerprint: groups(anchors[at].Fingerprint),
		Action: anchorsPath + "/" + anchors[at].Fingerprint + "/remove", Confirm: i18n.T(ctx, "admin.anchors.remove_confirm"), Final: true,
	}))
	return nil
}

// removeAnchor takes the trust from an authority.
func (a *Admin) removeAnchor(c *gin.Context) error {
	ctx := c.Request.Context()
	err := a.Register.RemoveTrustAnchor(ctx, a.by(ctx), c.Param("fingerprint"))
	if errors.Is(err, keymgr.ErrInvalid) {
		return keymgr.ErrNotFound
	}
	if err != nil {
		return err
	}
	a.Sessions.Flash(ctx, "admin.flash.anchor_removed")
	web.Redirect(c, anchorsPath)
	return nil
}

func (a *Admin) renderAnchorForm(c *gin.Context, status int, form anchorForm) {
	ctx := c.Request.Context()
	title := i18n.T(ctx, "admin.anchors.new")
	view := templates.AnchorFormView{
		Page: a.frame(c.Request, templates.AdminAnchors, titled(ctx, title, form.wrong+form.wrongName)),
		Name: templates.Field{
			Name: "name", Type: "text", Label: i18n.T(ctx, "admin.anchors.name"), Hint: i18n.T(ctx, "admin.anchors.name_hint"), Value: form.name,
			Error: form.wrongName, Autocomplete: "off",
		},
		File: templates.Field{Name: "file", Label: i18n.T(ctx, "admin.certificate.file"), Hint: i18n.T(ctx, "admin.anchors.file_hint")},
		Text: templates.Field{
			Name: "certificate", Label: i18n.T(ctx, "admin.certificate.text"), Hint: i18n.T(ctx, "admin.certificate.text_hint"), Value: form.text,
			Error: form.wrong,
		},
	}
	if strings.Contains(form.text, "PRIVATE KEY") {
		view.Text.Value = "" // it is not repeated in a page
	}
	web.Render(c, status, templates.AnchorPage(view))
}

func (a *Admin) renderAnchorCheck(c *gin.Context, status int, form anchorForm, problem string) error {
	ctx := c.Request.Context()
	anchor, err := a.Register.InspectTrustAnchor(form.upload)
	if form.wrong, form.wrongName = a.anchorProblem(ctx, err); form.wrong+form.wrongName != "" {
		a.renderAnchorForm(c, http.StatusUnprocessableEntity, form)
		return nil
	}
	if err != nil {
		return err
	}
	rows, err := a.anchorRows(ctx, anchor)
	if err != nil {
		return err
	}
	title := i18n.T(ctx, "admin.certificate.check_title")
	web.Render(c, status, templates.AnchorCheckPage(templates.AnchorCheckView{
		Page:   a.frame(c.Request, templates.AdminAnchors, titled(ctx, title, problem)),
		Upload: base64.StdEncoding.EncodeToString(form.upload), Name: form.name, Problem: problem, Fingerprint: groups(anchor.Fingerprint), Rows: rows,
		Compared: templates.Checks{
			Name: "compared", Label: i18n.T(ctx, "admin.certificate.compare"), Error: problem,
			Options: []templates.Option{{Value: "yes", Label: i18n.T(ctx, "admin.anchors.compare_done")}},
		},
	}))
	return nil
}
