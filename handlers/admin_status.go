package handlers

import (
	"context"
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

// confirmation is a change of a partner that a page asks for before it is made.
type confirmation struct {
	key   string // of the catalogue, and the last part of its path
	final bool   // cannot be undone, or stops the partner's calls
	rows  func(a *Admin, ctx context.Context, p keymgr.Partner) ([]templates.Row, error)
	do    func(a *Admin, ctx context.Context, reference string) error
	flash string
}

func confirmations() []confirmation {
	return []confirmation{
		{key: "activate", rows: (*Admin).activationRows, flash: "admin.flash.activated", do: func(a *Admin, ctx context.Context, reference string) error {
			return a.Register.SetStatus(ctx, a.by(ctx), reference, keymgr.Active)
		}},
		{key: "suspend", final: true, flash: "admin.flash.suspended", do: func(a *Admin, ctx context.Context, reference string) error {
			return a.Register.SetStatus(ctx, a.by(ctx), reference, keymgr.Suspended)
		}},
		{key: "discard", final: true, flash: "admin.flash.discarded", do: func(a *Admin, ctx context.Context, reference string) error {
			return a.Register.Discard(ctx, a.by(ctx), reference)
		}},
	}
}

// ask shows what would be done.
func (a *Admin) ask(what confirmation) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		p, err := a.partner(c)
		if err != nil {
			return err
		}
		return a.renderConfirmation(c, http.StatusOK, what, p, "")
	}
}

// do makes the change.
func (a *Admin) do(what confirmation) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		ctx := c.Request.Context()
		p, err := a.partner(c)
		if err != nil {
			return err
		}
		err = what.do(a, ctx, p.ReferenceID)
		if errors.Is(err, keymgr.ErrNeedsApproval) {
			if err = a.prepare(ctx, keymgr.Change{Reference: p.ReferenceID, Kind: keymgr.ChangeActivate}); err == nil {
				return a.prepared(c, p.ReferenceID)
			}
		}
		if problem := statusProblem(ctx, err); problem != "" {
			return a.renderConfirmation(c, http.StatusUnprocessableEntity, what, p, problem)
		}
		if err != nil {
			return err
		}
		a.Sessions.Flash(ctx, what.flash)
		if _, err := a.Register.Get(ctx, p.ReferenceID); errors.Is(err, keymgr.ErrNotFound) {
			web.Redirect(c, partnersPath)
		} else {
			web.Redirect(c, partnerPath(p.ReferenceID))
		}
		return nil
	}
}

// statusProblem says what the register has against a change; nothing if it is a fault.
func statusProblem(ctx context.Context, err error) string {
	for key, known := range map[string]error{
		"no_certificate": keymgr.ErrNoCertificate, "key_revoked": keymgr.ErrKeyRevoked, "invalid": keymgr.ErrInvalid,
	} {
		if errors.Is(err, known) {
			return i18n.T(ctx, "admin.problem."+key)
		}
	}
	return ""
}

func (a *Admin) renderConfirmation(c *gin.Context, status int, what confirmation, p keymgr.Partner, problem string) error {
	ctx := c.Request.Context()
	heading := i18n.T(ctx, "admin."+what.key+".title", "partner", p.Name)
	view := templates.ConfirmView{
		Page:     a.frame(c.Request, templates.AdminPartners, titled(ctx, heading, problem)),
		BackHref: partnerPath(p.ReferenceID), Problem: problem, Heading: heading, Paragraphs: []string{i18n.T(ctx, "admin."+what.key+".text")},
		Action: partnerPath(p.ReferenceID, what.key), Confirm: i18n.T(ctx, "admin."+what.key+".confirm"), Final: what.final,
	}
	if what.key == "activate" {
		view.Steps = a.steps(ctx, p, what.key)
	}
	if what.final && p.ReferenceID == SelfService {
		view.Paragraphs = append(view.Paragraphs, i18n.T(ctx, "admin.portal_itself"))
	}
	if what.rows != nil {
		rows, err := what.rows(a, ctx, p)
		if err != nil {
			return err
		}
		view.Rows = rows
	}
	web.Render(c, status, templates.ConfirmPage(view))
	return nil
}

// activationRows is everything that an activation puts into force.
func (a *Admin) activationRows(ctx context.Context, p keymgr.Partner) ([]templates.Row, error) {
	rows := []templates.Row{
		{Key: i18n.T(ctx, "admin.new.name"), Value: p.Name},
		{Key: i18n.T(ctx, "admin.new.reference"), Value: p.ReferenceID},
	}
	rows = append(rows, a.settingsRows(ctx, p, true)...)
	for _, c := range usable(p, a.Now()) {
		d, err := c.Details()
		if err != nil {
			return nil, err
		}
		rows = append(rows, templates.Row{
			Key: i18n.T(ctx, "admin.column.certificate"), Value: d.Subject, Detail: strings.Join(groups(c.Fingerprint), " "),
		})
	}
	return rows, nil
}

// askRevoke shows the certificate that would be revoked.
func (a *Admin) askRevoke(c *gin.Context) error {
	ctx := c.Request.Context()
	p, certificate, err := a.heldCertificate(c)
	if err != nil {
		return err
	}
	rows, err := a.certificateRows(ctx, certificate)
	if err != nil {
		return err
	}
	view := templates.ConfirmView{
		Page:     a.frame(c.Request, templates.AdminPartners, i18n.T(ctx, "admin.revoke.title")),
		BackHref: partnerPath(p.ReferenceID), Heading: i18n.T(ctx, "admin.revoke.title"),
		Paragraphs: []string{i18n.T(ctx, "admin.revoke.text")}, Rows: rows, Fingerprint: groups(certificate.Fingerprint),
		Action: partnerPath(p.ReferenceID, "certificates", certificate.Fingerprint, "revoke"), Confirm: i18n.T(ctx, "admin.revoke.confirm"), Final: true,
	}
	if left := usable(p, a.Now()); p.Status == keymgr.Active && len(left) == 1 && left[0].Fingerprint == certificate.Fingerprint {
		view.Paragraphs = append(view.Paragraphs, i18n.T(ctx, "admin.revoke.last"))
	}
	if p.ReferenceID == SelfService {
		view.Paragraphs = append(view.Paragraphs, i18n.T(ctx, "admin.portal_itself"))
	}
	web.Render(c, http.StatusOK, templates.ConfirmPage(view))
	return nil
}

// revoke revokes a certificate, for ever.
func (a *Admin) revoke(c *gin.Context) error {
	ctx := c.Request.Context()
	p, certificate, err := a.heldCertificate(c)
	if err != nil {
		return err
	}
	if err := a.Register.RevokeCertificate(ctx, a.by(ctx), p.ReferenceID, certificate.Fingerprint); err != nil {
		return err
	}
	a.Sessions.Flash(ctx, "admin.flash.revoked")
	web.Redirect(c, partnerPath(p.ReferenceID))
	return nil
}

// heldCertificate is the partner's certificate that the address names.
func (a *Admin) heldCertificate(c *gin.Context) (keymgr.Partner, keymgr.Certificate, error) {
	p, err := a.partner(c)
	if err != nil {
		return p, keymgr.Certificate{}, err
	}
	at := slices.IndexFunc(p.Certificates, func(held keymgr.Certificate) bool { return held.Fingerprint == c.Param("fingerprint") })
	if at < 0 {
		return p, keymgr.Certificate{}, keymgr.ErrNotFound
	}
	return p, p.Certificates[at], nil
}
