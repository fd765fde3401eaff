package handlers

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// maxUpload is the largest certificate file, in bytes; what the register would take.
const maxUpload = 32 << 10

// certificateForm is what was sent with a certificate.
type certificateForm struct {
	upload    []byte
	text      string // what was pasted, to be shown again
	algorithm string
	until     string // a date
	wrong     string // what is wrong with the certificate
	wrongDay  string // and with the date
}

// askCertificate asks for a certificate, as a file or as text.
func (a *Admin) askCertificate(c *gin.Context) error {
	p, err := a.partner(c)
	if err != nil {
		return err
	}
	form := certificateForm{until: a.Now().In(a.Location).Add(keymgr.DefaultOverlap).Format(time.DateOnly)}
	a.renderCertificateForm(c, http.StatusOK, p, form)
	return nil
}

// checkCertificate judges what was sent and shows it before it is added. Nothing is stored.
func (a *Admin) checkCertificate(c *gin.Context) error {
	ctx := c.Request.Context()
	p, err := a.partner(c)
	if err != nil {
		return err
	}
	form := certificateForm{text: c.PostForm("certificate"), algorithm: c.PostForm("algorithm"), until: c.PostForm("until")}
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
	var certificate keymgr.Certificate
	if form.wrong == "" {
		certificate, err = a.Register.Inspect(ctx, form.upload, form.algorithm)
		if form.wrong = a.certificateProblem(ctx, err); err != nil && form.wrong == "" {
			return err
		}
	}
	if _, err := a.overlap(p, certificate, form.until); err != nil {
		form.wrongDay = i18n.T(ctx, "admin.certificate.until_invalid", "days", i18n.Number(ctx, int(keymgr.MaxOverlap.Hours()/24)))
	}
	if form.wrong != "" || form.wrongDay != "" {
		a.renderCertificateForm(c, http.StatusUnprocessableEntity, p, form)
		return nil
	}
	return a.renderCertificateCheck(c, http.StatusOK, p, certificate, form, "")
}

// toCertificate leads from the address of the page that a certificate was shown on to where it begins.
func (a *Admin) toCertificate(c *gin.Context) error {
	web.Redirect(c, partnerPath(c.Param("ref"), "certificate"))
	return nil
}

// addCertificate adds the certificate that was shown, once the fingerprint was compared.
func (a *Admin) addCertificate(c *gin.Context) error {
	ctx := c.Request.Context()
	p, err := a.partner(c)
	if err != nil {
		return err
	}
	form := certificateForm{algorithm: c.PostForm("algorithm"), until: c.PostForm("until")}
	if form.upload, err = base64.StdEncoding.DecodeString(c.PostForm("upload")); err != nil || len(form.upload) > maxUpload {
		web.Redirect(c, partnerPath(p.ReferenceID, "certificate"))
		return nil
	}
	certificate, err := a.Register.Inspect(ctx, form.upload, form.algorithm)
	if wrong := a.certificateProblem(ctx, err); wrong != "" {
		form.wrong = wrong
		a.renderCertificateForm(c, http.StatusUnprocessableEntity, p, form)
		return nil
	} else if err != nil {
		return err
	}
	overlap, err := a.overlap(p, certificate, form.until)
	if err != nil {
		web.Redirect(c, partnerPath(p.ReferenceID, "certificate"))
		return nil
	}
	if c.PostForm("compared") != "yes" {
		return a.renderCertificateCheck(c, http.StatusUnprocessableEntity, p, certificate, form, i18n.T(ctx, "admin.certificate.compare_missing"))
	}
	added, err := a.Register.AddCertificate(ctx, a.by(ctx), p.ReferenceID, form.upload, keymgr.As(form.algorithm), keymgr.WithOverlap(overlap))
	if errors.Is(err, keymgr.ErrNeedsApproval) {
		change := keymgr.Change{
			Reference: p.ReferenceID, Kind: keymgr.ChangeCertificate, Certificate: form.upload, Algorithm: form.algorithm, Overlap: overlap,
		}
		if err = a.prepare(ctx, change); err == nil {
			return a.prepared(c, p.ReferenceID)
		}
	}
	if wrong := a.certificateProblem(ctx, err); wrong != "" {
		form.wrong = wrong
		a.renderCertificateForm(c, http.StatusUnprocessableEntity, p, form)
		return nil
	} else if err != nil {
		return err
	}
	return a.goOn(c, p.ReferenceID, a.handOver(ctx, p.ReferenceID, added.Fingerprint))
}

// overlap is how long older certificates verify beside a new one: until the end of a day, counted from when the new one
// is valid.
func (a *Admin) overlap(p keymgr.Partner, successor keymgr.Certificate, until string) (time.Duration, error) {
	if len(usable(p, a.Now())) == 0 {
		return keymgr.DefaultOverlap, nil // there is nothing to overlap with
	}
	day, ok := a.day(until)
	if !ok {
		return 0, errors.New("not a day")
	}
	from := a.Now()
	if successor.NotBefore.After(from) {
		from = successor.NotBefore
	}
	overlap := day.AddDate(0, 0, 1).Sub(from)
	if overlap <= 0 || overlap > keymgr.MaxOverlap+24*time.Hour {
		return 0, errors.New("not in time")
	}
	return min(overlap, keymgr.MaxOverlap), nil
}

// certificateProblem says what the register has against a certificate; nothing if it is no fault of the certificate.
func (a *Admin) certificateProblem(ctx context.Context, err error) string {
	for key, known := range map[string]error{
		"private_key": keymgr.ErrPrivateKey, "exists": keymgr.ErrExists, "too_many": keymgr.ErrTooManyCertificates,
		"key_in_use": keymgr.ErrKeyInUse, "key_revoked": keymgr.ErrKeyRevoked,
	} {
		if errors.Is(err, known) {
			return i18n.T(ctx, "admin.certificate.problem."+key)
		}
	}
	why, told := errors.AsType[*keymgr.Said](err)
	switch {
	case errors.Is(err, keymgr.ErrCertificate) && told:
		return i18n.T(ctx, "admin.certificate.problem.refused", "why", said(ctx, why))
	case errors.Is(err, keymgr.ErrCertificate):
		return i18n.T(ctx, "admin.upload.unusable")
	case errors.Is(err, keymgr.ErrInvalid):
		return i18n.T(ctx, "admin.problem.invalid")
	}
	return ""
}

func (a *Admin) renderCertificateForm(c *gin.Context, status int, p keymgr.Partner, form certificateForm) {
	ctx := c.Request.Context()
	key := "admin.certificate.title_first"
	if len(usable(p, a.Now())) > 0 {
		key = "admin.certificate.title_next"
	}
	heading := i18n.T(ctx, key, "partner", p.Name)
	view := templates.CertificateFormView{
		Page:     a.frame(c.Request, templates.AdminPartners, titled(ctx, heading, form.wrong+form.wrongDay)),
		BackHref: partnerPath(p.ReferenceID), Steps: a.steps(ctx, p, "certificate"), Heading: heading,
		Action: partnerPath(p.ReferenceID, "certificate"),
		File: templates.Field{
			Name: "file", Label: i18n.T(ctx, "admin.certificate.file"), Hint: i18n.T(ctx, "admin.certificate.file_hint"),
		},
		Text: templates.Field{
			Name: "certificate", Label: i18n.T(ctx, "admin.certificate.text"), Hint: i18n.T(ctx, "admin.certificate.text_hint"),
			Value: form.text, Error: form.wrong,
		},
		Algorithm: templates.Select{Name: "algorithm", Label: i18n.T(ctx, "admin.certificate.algorithm_choice"), Options: []templates.Option{
			{Value: "", Label: i18n.T(ctx, "admin.certificate.algorithm_usual"), Checked: form.algorithm == ""},
			{Value: "PS256", Label: i18n.T(ctx, "admin.certificate.algorithm_pss"), Checked: form.algorithm == "PS256"},
		}},
	}
	if keymgr.IsPrivateKey([]byte(form.text)) {
		view.Text.Value = "" // it is not repeated in a page
	}
	if len(usable(p, a.Now())) > 0 {
		view.Until = templates.Field{
			Name: "until", Type: "date", Label: i18n.T(ctx, "admin.certificate.until"), Hint: i18n.T(ctx, "admin.certificate.until_hint"),
			Value: form.until, Error: form.wrongDay, Autocomplete: "off", Direction: "ltr",
		}
	}
	web.Render(c, status, templates.CertificatePage(view))
}

func (a *Admin) renderCertificateCheck(c *gin.Context, status int, p keymgr.Partner, certificate keymgr.Certificate, form certificateForm, problem string) error {
	ctx := c.Request.Context()
	rows, err := a.certificateRows(ctx, certificate)
	if err != nil {
		return err
	}
	if len(usable(p, a.Now())) > 0 {
		day, _ := a.day(form.until)
		rows = append(rows, templates.Row{Key: i18n.T(ctx, "admin.certificate.until"), Value: i18n.Date(ctx, day)})
	}
	title := i18n.T(ctx, "admin.certificate.check_title")
	web.Render(c, status, templates.CertificateCheckPage(templates.CertificateCheckView{
		Page:     a.frame(c.Request, templates.AdminPartners, titled(ctx, title, problem)),
		BackHref: partnerPath(p.ReferenceID, "certificate"), Steps: a.steps(ctx, p, "certificate"),
		Action: partnerPath(p.ReferenceID, "certificate", "add"), Upload: base64.StdEncoding.EncodeToString(form.upload),
		Algorithm: form.algorithm, Until: form.until, Problem: problem,
		Fingerprint: groups(certificate.Fingerprint), Rows: rows,
		Compared: templates.Checks{
			Name: "compared", Label: i18n.T(ctx, "admin.certificate.compare"), Hint: i18n.T(ctx, "admin.certificate.compare_hint"), Error: problem,
			Options: []templates.Option{{Value: "yes", Label: i18n.T(ctx, "admin.certificate.compare_done")}},
		},
	}))
	return nil
}

var errUploadTooLarge = errors.New("the file is too large")

// uploaded reads a file of the form, nil if there is none. Its name and type are whatever the sender likes and ignored.
func uploaded(c *gin.Context, field string, limit int64) ([]byte, error) {
	file, err := c.FormFile(field)
	if errors.Is(err, http.ErrMissingFile) || errors.Is(err, http.ErrNotMultipart) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read upload: %w", err)
	}
	if file.Size > limit {
		return nil, errUploadTooLarge
	}
	var content multipart.File
	if content, err = file.Open(); err != nil {
		return nil, fmt.Errorf("open upload: %w", err)
	}
	defer content.Close()
	return io.ReadAll(content)
}
