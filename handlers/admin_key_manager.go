package handlers

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"spar/internal/audit"
	"spar/keymgr"
	"spar/keymgr/mosip"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// KeyManager is a key manager elsewhere, which has one certificate of a partner at a time; see mosip.KeyManager.
type KeyManager interface {
	HandOverer
	Upload(ctx context.Context, by audit.Actor, reference, fingerprint string) (mosip.Uploaded, error)
	Holder() keymgr.Holder
}

// handOver gives a certificate that was just added to the key manager elsewhere, if there is one and it has none of the
// partner, and says what to tell: the certificate is in the register whatever becomes of this.
func (a *Admin) handOver(ctx context.Context, reference, fingerprint string) (flash string) {
	if a.KeyManager == nil {
		return "admin.flash.certificate_added"
	}
	_, handed, err := a.KeyManager.HandOver(ctx, a.by(ctx), reference, fingerprint)
	switch {
	case err != nil:
		a.Log.WarnContext(ctx, "certificate not handed over", "request_id", web.RequestID(ctx), "partner", reference, "error", err)
		return "admin.flash.not_handed_over"
	case !handed:
		return "admin.flash.hand_over_later"
	}
	return "admin.flash.certificate_added"
}

// held is the fingerprint of the partner's certificate that the key manager elsewhere has; empty if none, or no such key
// manager.
func (a *Admin) held(ctx context.Context, reference string) (string, error) {
	if a.KeyManager == nil {
		return "", nil
	}
	return a.Register.HeldBy(ctx, a.KeyManager.Holder(), reference)
}

// describeHolder says whether the key manager elsewhere has a certificate, and offers to give it to it.
func (a *Admin) describeHolder(ctx context.Context, view *templates.CertificateView, p keymgr.Partner, c keymgr.Certificate, held string, mayChange bool) {
	answer := "admin.certificate.held_no"
	if c.Fingerprint == held {
		answer = "admin.certificate.held_yes"
	}
	view.Rows = append(view.Rows, templates.Row{Key: i18n.T(ctx, "admin.certificate.held"), Value: i18n.T(ctx, answer)})
	if mayChange && c.RevokedAt.IsZero() && c.Fingerprint != held && !a.Now().After(c.End()) {
		view.UploadHref = partnerPath(p.ReferenceID, "certificates", c.Fingerprint, "upload")
	}
}

// askUpload shows the certificate that would be given to the key manager.
func (a *Admin) askUpload(c *gin.Context) error {
	return a.renderUpload(c, http.StatusOK, "")
}

// upload gives a certificate to the key manager, in the place of the one it has.
func (a *Admin) upload(c *gin.Context) error {
	ctx := c.Request.Context()
	p, certificate, err := a.heldCertificate(c)
	if err != nil {
		return err
	}
	if a.KeyManager == nil {
		return adminNotFound
	}
	if _, err = a.KeyManager.Upload(ctx, a.by(ctx), p.ReferenceID, certificate.Fingerprint); err != nil {
		problem := "admin.upload.failed"
		if _, refused := errors.AsType[*mosip.Refused](err); refused {
			problem = "admin.upload.refused"
		} else if errors.Is(err, keymgr.ErrCertificate) {
			problem = "admin.upload.unusable"
		}
		a.Log.WarnContext(ctx, "certificate not handed over", "request_id", web.RequestID(ctx), "partner", p.ReferenceID, "error", err)
		return a.renderUpload(c, http.StatusUnprocessableEntity, i18n.T(ctx, problem))
	}
	a.Sessions.Flash(ctx, "admin.flash.handed_over")
	web.Redirect(c, partnerPath(p.ReferenceID))
	return nil
}

func (a *Admin) renderUpload(c *gin.Context, status int, problem string) error {
	ctx := c.Request.Context()
	p, certificate, err := a.heldCertificate(c)
	if err != nil {
		return err
	}
	if a.KeyManager == nil {
		return adminNotFound
	}
	rows, err := a.certificateRows(ctx, certificate)
	if err != nil {
		return err
	}
	title := i18n.T(ctx, "admin.upload.title")
	web.Render(c, status, templates.ConfirmPage(templates.ConfirmView{
		Page: a.frame(c.Request, templates.AdminPartners, titled(ctx, title, problem)), BackHref: partnerPath(p.ReferenceID), Problem: problem,
		Heading: title, Paragraphs: []string{i18n.T(ctx, "admin.upload.text")}, Rows: rows, Fingerprint: groups(certificate.Fingerprint),
		Action: partnerPath(p.ReferenceID, "certificates", certificate.Fingerprint, "upload"), Confirm: i18n.T(ctx, "admin.upload.confirm"),
	}))
	return nil
}
