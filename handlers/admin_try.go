package handlers

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/mapper/wire"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// Explainer shows the validation of a message step by step, and whether a partner's certificates count now. It records and
// performs nothing.
type Explainer interface {
	Explain(ctx context.Context, m keymgr.Signed) keymgr.Explanation
	Standing(ctx context.Context, reference string) ([]keymgr.CertificateEvidence, error)
}

// maxTriedBody is the largest body that can be tried, in bytes: what a form of staff holds beside its other fields.
const maxTriedBody = 3 << 20

// tryForm is what is to be tried.
type tryForm struct {
	signature, text           string
	body                      []byte // of the file, or else the text
	wrongSignature, wrongBody string
	fromText                  bool
}

// askTry asks for a body and its signature.
func (a *Admin) askTry(c *gin.Context) error {
	p, err := a.partner(c)
	if err != nil {
		return err
	}
	web.Render(c, http.StatusOK, templates.TryPage(a.tryView(c, p, tryForm{})))
	return nil
}

// try validates a message and shows how. Nothing of it is stored, and nothing is done with it.
func (a *Admin) try(c *gin.Context) error {
	ctx := c.Request.Context()
	p, err := a.partner(c)
	if err != nil {
		return err
	}
	form := tryForm{signature: c.PostForm("signature"), text: c.PostForm("body")}
	if form.body, err = uploaded(c, "file", maxTriedBody); err != nil && !errors.Is(err, errUploadTooLarge) {
		return err
	}
	switch {
	case err != nil:
		form.wrongBody = i18n.T(ctx, "admin.try.too_large")
	case len(form.body) == 0 && form.text == "":
		form.wrongBody = i18n.T(ctx, "admin.try.body_missing")
	case len(form.body) == 0:
		form.fromText, form.body = true, []byte(strings.ReplaceAll(form.text, "\r\n", "\n"))
	}
	if strings.TrimSpace(form.signature) == "" {
		form.wrongSignature = i18n.T(ctx, "admin.try.signature_missing")
	}
	view := a.tryView(c, p, form)
	if form.wrongBody+form.wrongSignature != "" {
		web.Render(c, http.StatusUnprocessableEntity, templates.TryPage(view))
		return nil
	}
	found, err := a.explain(ctx, p, &form)
	if err != nil {
		return err
	}
	view.Tried, view.Verified = true, found.Verified
	view.Notes = tryNotes(ctx, p, form)
	a.describe(ctx, &view, found)
	web.Render(c, http.StatusOK, templates.TryPage(view))
	return nil
}

// explain validates what was sent. Browsers send every line break of a text as CR LF, whatever the partner signed, so both
// kinds are tried.
func (a *Admin) explain(ctx context.Context, p keymgr.Partner, form *tryForm) (keymgr.Explanation, error) {
	m := keymgr.Signed{Sender: p.ReferenceID, Signature: []string{strings.TrimSpace(form.signature)}, Body: form.body}
	if sender := senderOf(form.body); sender != "" {
		m.Sender = sender
	}
	found := a.Explainer.Explain(ctx, m)
	if form.fromText && !found.Verified && found.Fault == nil && bytes.Contains(form.body, []byte("\n")) {
		m.Body = bytes.ReplaceAll(form.body, []byte("\n"), []byte("\r\n"))
		if other := a.Explainer.Explain(ctx, m); other.Verified {
			found, form.body = other, m.Body
		}
	}
	return found, found.Fault
}

// senderOf is who a body says sent it, read as a call is read; empty if it does not say.
func senderOf(body []byte) string {
	request, err := wire.Parse(wire.Limits, body, 0)
	if err != nil {
		return ""
	}
	return request.Header.SenderID
}

// tryNotes says what else would keep the call from being answered, or was done to what was pasted.
func tryNotes(ctx context.Context, p keymgr.Partner, form tryForm) []string {
	var notes []string
	request, err := wire.Parse(wire.Limits, form.body, 0)
	switch {
	case err != nil:
		notes = append(notes, i18n.T(ctx, "admin.try.note_syntax", "why", err.Error()))
	case request.Header.SenderID == "":
		notes = append(notes, i18n.T(ctx, "admin.try.note_no_sender"))
	case request.Header.SenderID != p.ReferenceID:
		notes = append(notes, i18n.T(ctx, "admin.try.note_sender", "sender", shortened(request.Header.SenderID)))
	}
	if form.fromText && bytes.Contains(form.body, []byte("\n")) {
		notes = append(notes, i18n.T(ctx, "admin.try.note_lines"))
	}
	return notes
}

// shortened keeps what somebody else wrote to one line.
func shortened(text string) string {
	if letters := []rune(text); len(letters) > 80 {
		return string(letters[:80]) + "…"
	}
	return text
}

func (a *Admin) tryView(c *gin.Context, p keymgr.Partner, form tryForm) templates.TryView {
	ctx := c.Request.Context()
	title := i18n.T(ctx, "admin.try.title")
	return templates.TryView{
		Page:     a.frame(c.Request, templates.AdminPartners, titled(ctx, title, form.wrongBody+form.wrongSignature)),
		BackHref: partnerPath(p.ReferenceID), Action: partnerPath(p.ReferenceID, "try"),
		Signature: templates.Field{
			Name: "signature", Label: i18n.T(ctx, "admin.try.signature"), Hint: i18n.T(ctx, "admin.try.signature_hint"),
			Value: form.signature, Error: form.wrongSignature,
		},
		Body: templates.Field{
			Name: "body", Label: i18n.T(ctx, "admin.try.body"), Hint: i18n.T(ctx, "admin.try.body_hint"), Value: form.text, Error: form.wrongBody,
		},
		File: templates.Field{Name: "file", Label: i18n.T(ctx, "admin.try.file"), Hint: i18n.T(ctx, "admin.try.file_hint")},
	}
}

// describe puts what was found into words.
func (a *Admin) describe(ctx context.Context, view *templates.TryView, found keymgr.Explanation) {
	view.Verdict = i18n.T(ctx, "admin.try.verified")
	if !found.Verified {
		view.Verdict, view.Detail = outcomeText(ctx, tryOutcome(found.Reason)), said(ctx, found.Detail)
	}
	for _, hint := range found.Hints {
		view.Hints = append(view.Hints, i18n.T(ctx, "admin.hint."+hint.Code))
	}
	for _, step := range found.Steps {
		shown := templates.TrialStep{Title: i18n.T(ctx, "admin.try.step."+strings.ToLower(step.Name)), Detail: said(ctx, step.Detail), State: stepMark(ctx, step)}
		switch {
		case step.Token != nil:
			shown.Rows = tokenRows(ctx, step.Token)
		case step.Key != nil:
			shown.Tables = []templates.Table{a.keyTable(ctx, step.Key)}
		case step.Signature != nil:
			shown.Rows = signatureRows(ctx, step.Signature)
		case step.Body != nil:
			shown.Rows, shown.Tables = bodyRows(ctx, step.Body), []templates.Table{formsTable(ctx, step.Body)}
		}
		view.Trial = append(view.Trial, shown)
	}
}

func tryOutcome(reason keymgr.Reason) string {
	if reason == keymgr.SignatureMissing {
		return string(signatureMissing)
	}
	return string(reason)
}

func stepMark(ctx context.Context, step keymgr.Step) templates.Mark {
	switch {
	case !step.Reached:
		return templates.Mark{Text: i18n.T(ctx, "admin.try.not_reached"), Kind: templates.Neutral}
	case step.Passed:
		return templates.Mark{Text: i18n.T(ctx, "admin.try.passed"), Kind: templates.Good}
	}
	return templates.Mark{Text: i18n.T(ctx, "admin.try.failed"), Kind: templates.Bad}
}

// tryRow is one piece of evidence; one without a value is left out.
type tryRow struct{ key, value string }

func tryRows(ctx context.Context, list ...tryRow) []templates.Row {
	var rows []templates.Row
	for _, r := range list {
		if r.value != "" {
			rows = append(rows, templates.Row{Key: i18n.T(ctx, "admin.try.row."+r.key), Value: r.value})
		}
	}
	return rows
}

func tokenRows(ctx context.Context, t *keymgr.TokenEvidence) []templates.Row {
	form := i18n.T(ctx, "admin.try.form."+t.Form)
	return tryRows(ctx, tryRow{"form", form}, tryRow{"header", t.Header}, tryRow{"algorithm", t.Algorithm}, tryRow{"kid", t.KeyID},
		tryRow{"payload", i18n.T(ctx, "admin.try.bytes", "count", t.PayloadBytes, "number", i18n.Number(ctx, t.PayloadBytes))},
		tryRow{"signature", i18n.T(ctx, "admin.try.bytes", "count", t.SignatureBytes, "number", i18n.Number(ctx, t.SignatureBytes))})
}

// keyTable lists the sender's certificates and whether each counts.
func (a *Admin) keyTable(ctx context.Context, k *keymgr.KeyEvidence) templates.Table {
	table := templates.Table{
		Caption: i18n.T(ctx, "admin.partner.certificates"), Empty: i18n.T(ctx, "admin.try.no_certificates"),
		Columns: columns(ctx, "certificate", "state", "valid_until", "tried"),
	}
	for _, c := range k.Certificates {
		state := mark(i18n.T(ctx, "admin.try.counts"), templates.Good)
		if !c.Usable {
			state = mark(outcomeText(ctx, string(c.Reason)), templates.Bad)
			state.Detail = said(ctx, c.Detail)
		}
		until := c.NotAfter
		if c.ValidTo != nil {
			until = *c.ValidTo
		}
		tried := "admin.try.tried_yes"
		if !c.Picked {
			tried = "admin.try.tried_no"
		}
		table.Rows = append(table.Rows, []templates.Cell{
			{Text: c.Subject, Detail: strings.Join(groups(c.Fingerprint), " ") + " · " + c.Key + " · " + c.Algorithm}, state,
			{Text: a.when(ctx, until)}, {Text: i18n.T(ctx, tried)},
		})
	}
	return table
}

func signatureRows(ctx context.Context, s *keymgr.SignatureEvidence) []templates.Row {
	fingerprint := ""
	if s.Certificate != "" {
		fingerprint = strings.Join(groups(s.Certificate), " ")
	}
	return tryRows(ctx, tryRow{"method", s.Method}, tryRow{"certificate", fingerprint}, tryRow{"hash", s.Hash}, tryRow{"salt", s.Salt})
}

func bodyRows(ctx context.Context, b *keymgr.BodyEvidence) []templates.Row {
	rows := tryRows(ctx, tryRow{"matched", formText(ctx, b.Matched)}, tryRow{"not_canonical", said(ctx, b.NotCanonical)})
	if d := b.FirstDifference; d != nil {
		rows = append(rows, tryRows(ctx, tryRow{"difference", strconv.Itoa(d.Offset)}, tryRow{"in_token", d.Payload}, tryRow{"in_body", d.Body})...)
	}
	return rows
}

// formText names a way in which a body may have been signed; nothing for none.
func formText(ctx context.Context, name string) string {
	keys := map[string]string{
		keymgr.FormAsSent: "as_sent", keymgr.FormCanonical: "canonical", keymgr.FormCanonicalPlus: "canonical_plus", keymgr.FormToken: "token",
	}
	if name == "" {
		return ""
	}
	return i18n.T(ctx, "admin.try.signed."+keys[name])
}

// formsTable lists the hashes of the ways in which the body may have been signed.
func formsTable(ctx context.Context, b *keymgr.BodyEvidence) templates.Table {
	table := templates.Table{Caption: i18n.T(ctx, "admin.try.hashes"), Columns: columns(ctx, "form", "bytes#", "hash")}
	for _, form := range b.Forms {
		name := templates.Cell{Text: formText(ctx, form.Name)}
		if form.Name == b.Matched {
			name = mark(name.Text, templates.Good)
		}
		table.Rows = append(table.Rows, []templates.Cell{name, number(ctx, int64(form.Bytes)), {Text: form.Hash, Code: true}})
	}
	return table
}
