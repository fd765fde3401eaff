package handlers_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/web"
)

// upload sends a form of the screen with a file.
func (b *browser) upload(s *screen, selector string, values url.Values, file []byte) *screen {
	b.t.Helper()
	form := s.Find(selector)
	action, _ := form.Attr("action")
	if form.Length() != 1 || form.AttrOr("enctype", "") != "multipart/form-data" || form.Find("input[type=file]").Length() != 1 {
		b.t.Fatalf("%s has no form for a file at %s:\n%s", s.path, selector, s.Find("main").Text())
	}
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	form.Find("input[type=hidden]").Each(func(_ int, input *goquery.Selection) {
		parts.WriteField(input.AttrOr("name", ""), input.AttrOr("value", ""))
	})
	for name, list := range values {
		for _, value := range list {
			parts.WriteField(name, value)
		}
	}
	part, err := parts.CreateFormFile(form.Find("input[type=file]").AttrOr("name", ""), "../../etc/passwd.exe")
	if err != nil {
		b.t.Fatal(err)
	}
	part.Write(file)
	parts.Close()
	return b.sendAs(http.MethodPost, action, parts.FormDataContentType(), &body)
}

// signs reports whether the registry takes a body signed with a key for the partner's.
func (h *house) signs(t *testing.T, key keytest.Key, reference string) bool {
	t.Helper()
	body := []byte(`{"message":1}`)
	_, err := keymgr.NewLocal(h.register).Verify(t.Context(), keymgr.Signed{Sender: reference, Signature: []string{key.Detached(t, body)}, Body: body})
	return err == nil
}

func der(t *testing.T, certificate []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(certificate)
	return block.Bytes
}

// addCertificate goes through both pages of a certificate.
func (b *browser) addCertificate(reference string, file []byte, values url.Values) *screen {
	b.t.Helper()
	s := b.get("/admin/partners/" + reference + "/certificate")
	s = b.upload(s, "main form", values, file).shows(http.StatusOK, "Compare the fingerprint")
	return b.submit(s, "main form", url.Values{"compared": {"yes"}})
}

// A new partner, from nothing to its first accepted call; another administrator goes on where the first one stopped.
func TestOnboarding(t *testing.T) {
	h := newHouse(t)
	first, second := h.signedIn(t, inês), h.signedIn(t, olga)
	key := keytest.RSA(t, 1)
	s := first.get("/admin/partners/new").shows(http.StatusOK, "Onboard a partner")
	s.has(".steps [aria-current]", "Name")
	s = first.leadsTo(first.submit(s, "main form", url.Values{"name": {"Green Valley Bank"}, "reference_id": {"GREEN-VALLEY"}}), "/admin/partners/GREEN-VALLEY/certificate")
	s.shows(http.StatusOK, "Certificate of Green Valley Bank").has("#flash p", "The partner is registered. It cannot call yet.")
	s.has(".steps [aria-current]", "Certificate").lacks(`name="until"`)

	s = second.get("/admin/partners/GREEN-VALLEY").shows(http.StatusOK, "Green Valley Bank").has(".under-heading .tag", "Being onboarded")
	s = second.get(s.Find(".notice a").AttrOr("href", "")).shows(http.StatusOK, "Certificate of Green Valley Bank")
	certificate := key.Certificate(t)
	s = second.submit(s, "main form", url.Values{"certificate": {strings.ReplaceAll(string(certificate), "\n", "\r\n")}}).shows(http.StatusOK, "Compare the fingerprint")
	fingerprint, err := keymgr.FingerprintOf(certificate)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.NewReplacer(":", "", " ", "").Replace(s.text(".fingerprint")); !strings.EqualFold(got, fingerprint) || s.Find(".fingerprint span").Length() != 8 {
		t.Errorf("the fingerprint shown is %s, want %s in 8 groups", s.text(".fingerprint"), fingerprint)
	}
	s.has(".answers > div:nth-child(1) dd", "CN=test partner").has(".answers > div:nth-child(2) dd", "The partner itself")
	s.has(".answers > div:nth-child(5) dd", "RSA 2048").has(".answers > div:nth-child(6) dd", "RS256")
	if p, _ := h.register.Get(t.Context(), "GREEN-VALLEY"); len(p.Certificates) != 0 {
		t.Error("the certificate is there before the fingerprint was compared")
	}
	s = second.submit(s, "main form", nil).shows(http.StatusUnprocessableEntity, "Compare the fingerprint").has(".error-summary a", "Confirm that the fingerprint was compared")
	s = second.leadsTo(second.submit(s, "main form", url.Values{"compared": {"yes"}}), "/admin/partners/GREEN-VALLEY/settings")

	s.shows(http.StatusOK, "What Green Valley Bank may do").has(".steps [aria-current]", "Permissions")
	s = second.submit(s, "main form", url.Values{
		"name": {"Green Valley Bank"}, "permissions": {"resolve", "link"}, "scope": {"some"}, "fa_providers": {"GREENVAL", "PESAGO"},
		"callback_url": {"https://green.example.org/spar"}, "status": {"active"}, "reference_id": {"OTHER"},
	})
	s = second.leadsTo(s, "/admin/partners/GREEN-VALLEY/activate").shows(http.StatusOK, "Activate Green Valley Bank?")
	s.has(".answers > div:nth-child(3) dd:nth-of-type(1)", "Ask yes or no, Link").has(".answers > div:nth-child(4) dd:nth-of-type(1)", "GREENVAL, PESAGO")
	if h.signs(t, key, "GREEN-VALLEY") {
		t.Error("a draft's signature is accepted")
	}
	s = first.leadsTo(first.submit(first.get("/admin/partners/GREEN-VALLEY/activate"), "main form", nil), "/admin/partners/GREEN-VALLEY")
	s.has(".under-heading .tag", "Active").has("#flash p", "The partner is active: its calls are accepted from now on.")
	if !h.signs(t, key, "GREEN-VALLEY") {
		t.Error("the active partner's signature is refused")
	}
	p, err := h.register.Get(t.Context(), "GREEN-VALLEY")
	if err != nil || p.CallbackURL != "https://green.example.org/spar" || !slices.Equal(p.FAProviders, []string{"GREENVAL", "PESAGO"}) {
		t.Errorf("%+v, %v", p, err)
	}
	checkEvents(t, h, "GREEN-VALLEY", "staff:s-3 partner.activate", "staff:s-4 partner.configure", "staff:s-4 partner.permit", "staff:s-4 certificate.add", "staff:s-3 partner.add")
}

// checkEvents checks who did what to a partner, the newest first.
func checkEvents(t *testing.T, h *house, reference string, want ...string) {
	t.Helper()
	entries, err := h.trail.List(t.Context(), audit.Filter{Target: reference})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Actor.ID+" "+e.Action)
		if e.Actor.Kind != audit.Staff || e.Actor.RequestID == "" && e.Actor.Kind == audit.Staff && e.Seq < 0 {
			t.Errorf("%s by %+v", e.Action, e.Actor)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("events of %s: %q, want %q", reference, got, want)
	}
}

func TestNewPartnerToCorrect(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	b := h.signedIn(t, inês)
	for _, test := range []struct{ name, reference, wants string }{
		{"", "BANK-B", "Enter the partner's name"},
		{"Bank B", "", "Enter a reference id"},
		{"Bank B", "-B", "Begin with a letter or digit, then use at most 63 letters, digits or . _ : -"},
		{"Bank B", "BANK B", "Begin with a letter or digit, then use at most 63 letters, digits or . _ : -"},
		{"Bank B", `"><script>`, "Begin with a letter or digit, then use at most 63 letters, digits or . _ : -"},
		{"Bank B", strings.Repeat("B", 65), "Begin with a letter or digit, then use at most 63 letters, digits or . _ : -"},
		{"Bank B", "BANK-A", "This reference id is taken, or too like another one"},
		{"Bank B", "bank_a", "This reference id is taken, or too like another one"},
		{"Bank B", "new", "This reference id is taken, or too like another one"},
		{strings.Repeat("B", 201), "BANK-B", "Enter a name of at most 200 characters on one line"},
		{"Bank\nB", "BANK-B", "Enter a name of at most 200 characters on one line"},
	} {
		s := b.submit(b.get("/admin/partners/new"), "main form", url.Values{"name": {test.name}, "reference_id": {test.reference}})
		s.shows(http.StatusUnprocessableEntity, "Onboard a partner").has(".error-summary a", test.wants).lacks("<script>")
		if s.Find("#reference_id").AttrOr("value", "") != test.reference {
			t.Errorf("%q is not kept", test.reference)
		}
	}
	if list, err := h.register.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%d partners, %v", len(list), err)
	}
}

// What is no certificate that can be used is refused with the reason, however it is sent.
func TestCertificatesToCorrect(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	h.onboard(t, 2, "BANK-B", "Bank B", 400)
	b := h.signedIn(t, inês)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	privatePEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER})
	good := keytest.RSA(t, 3).Certificate(t)
	const isPrivate = "This is a private key."
	for _, test := range []struct {
		name  string
		file  []byte
		wants string
	}{
		{"nothing", nil, "Choose a file or paste the certificate"},
		{"a private key", privatePEM, isPrivate},
		{"a private key as DER", privateDER, isPrivate},
		{"a private key beside the certificate", append(slices.Clone(good), privatePEM...), isPrivate},
		{"garbage", []byte("garbage"), "This certificate cannot be used: "},
		{"binary garbage", []byte{0x30, 0x82, 0x00, 0xff, 0x00}, "This certificate cannot be used: "},
		{"half a certificate", good[:len(good)/2], "This certificate cannot be used: "},
		{"expired", keytest.RSA(t, 3).CertificateFor(t, time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour)), "This certificate cannot be used: it expired"},
		{"for too long", keytest.RSA(t, 3).CertificateFor(t, time.Now(), time.Now().AddDate(20, 0, 0)), "This certificate cannot be used: "},
		{"HTML", []byte("-----BEGIN <script>-----\nAAAA\n-----END <script>-----"), "This certificate cannot be used: "},
		{"too large", bytes.Repeat([]byte("x"), 33<<10), "A certificate has at most 32 KiB; this file is larger"},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := b.get("/admin/partners/BANK-A/certificate").shows(http.StatusOK, "New certificate of Bank A")
			answers := []*screen{b.upload(form, "main form", url.Values{"until": {today()}}, test.file)}
			if !bytes.ContainsFunc(test.file, func(r rune) bool { return r < ' ' && r != '\n' || r > '~' }) {
				answers = append(answers, b.submit(form, "main form", url.Values{"until": {today()}, "certificate": {string(test.file)}}))
			}
			for i, s := range answers {
				s.t = t
				s.shows(http.StatusUnprocessableEntity, "New certificate of Bank A").lacks("<script>", "BEGIN PRIVATE KEY")
				if got := s.text(".error-summary a"); !strings.HasPrefix(got, test.wants) && i == 0 {
					t.Errorf("told %q, want %q", got, test.wants)
				}
			}
		})
	}
	form := b.get("/admin/partners/BANK-A/certificate")
	if s := b.upload(form, "main form", nil, bytes.Repeat([]byte("x"), 5<<20)); s.status != http.StatusRequestEntityTooLarge {
		t.Errorf("5 MiB: status %d", s.status)
	}
	for _, until := range []string{"", "yesterday", "2001-01-01", time.Now().AddDate(0, 0, 32).Format(time.DateOnly)} {
		b.upload(form, "main form", url.Values{"until": {until}}, good).shows(http.StatusUnprocessableEntity, "New certificate of Bank A").
			has(".error-summary a", "Enter a day from today on, at most 30 days ahead")
	}
	// What only the register knows is found when it is added.
	taken := b.addCertificate("BANK-A", keytest.RSA(t, 2).Certificate(t), url.Values{"until": {today()}})
	taken.shows(http.StatusUnprocessableEntity, "New certificate of Bank A").has(".error-summary a", "The key of this certificate belongs to another partner. Every partner needs its own.")
	if p, _ := h.register.Get(t.Context(), "BANK-A"); len(p.Certificates) != 1 {
		t.Errorf("%d certificates", len(p.Certificates))
	}
}

func today() string { return time.Now().UTC().Format(time.DateOnly) }

// Rotation leaves no gap: both keys verify until the chosen day is over, and then only the new one.
func TestRotateAndRevoke(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	b := h.signedIn(t, inês)
	old, next := keytest.RSA(t, 1), keytest.RSA(t, 2)
	s := b.get("/admin/partners/BANK-A/certificate")
	if got, want := s.Find("#until").AttrOr("value", ""), h.now().UTC().AddDate(0, 0, 7).Format(time.DateOnly); got != want {
		t.Errorf("the overlap proposed ends on %s, want %s", got, want)
	}
	until := h.now().UTC().AddDate(0, 0, 3)
	certificate := next.CertificateFor(t, h.now().Add(-time.Hour), h.now().AddDate(1, 0, 0))
	b.leadsTo(b.addCertificate("BANK-A", der(t, certificate), url.Values{"until": {until.Format(time.DateOnly)}}), "/admin/partners/BANK-A")
	if !h.signs(t, old, "BANK-A") || !h.signs(t, next, "BANK-A") {
		t.Error("not both keys verify during the overlap")
	}
	s = b.get("/admin/partners/BANK-A")
	if first, second := s.Find(".certificate-head").Eq(0).Text(), s.Find(".certificate-head").Eq(1).Text(); !strings.Contains(first, "Valid") || !strings.Contains(second, "Being replaced") {
		t.Errorf("states are %q and %q", first, second)
	}
	h.later(time.Until(time.Date(until.Year(), until.Month(), until.Day()+1, 0, 0, 1, 0, time.UTC)))
	if h.signs(t, old, "BANK-A") || !h.signs(t, next, "BANK-A") {
		t.Error("after the overlap, the old key verifies or the new one does not")
	}

	b.logIn(inês)
	s = b.get("/admin/partners/BANK-A")
	s = b.get(s.Find(".certificate a").Eq(0).AttrOr("href", "")).shows(http.StatusOK, "Revoke this certificate?")
	if !strings.Contains(s.text("main"), "It is the partner's only valid certificate.") {
		t.Error("nothing warns that it is the last one")
	}
	s = b.leadsTo(b.submit(s, "main form", nil), "/admin/partners/BANK-A").has("#flash p", "The certificate is revoked.")
	if !strings.Contains(s.text(".notice-error"), "no valid certificate") || h.signs(t, next, "BANK-A") {
		t.Error("the revoked key verifies, or the page does not warn")
	}
	again := next.CertificateFor(t, h.now().Add(-time.Hour), h.now().AddDate(0, 6, 0))
	b.addCertificate("BANK-A", again, nil).shows(http.StatusUnprocessableEntity, "Certificate of Bank A").
		has(".error-summary a", "The key of this certificate was revoked and cannot come back. The partner needs a new key.")
	for _, path := range []string{"/admin/partners/BANK-A/certificates/" + strings.Repeat("0", 64) + "/revoke", "/admin/partners/BANK-Z", "/admin/partners/bank-a", "/admin/partners/BANK-A/nothing"} {
		b.get(path).shows(http.StatusNotFound, "We cannot find this page")
	}
}

func TestSettingsToCorrect(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	b := h.signedIn(t, inês)
	good := func(change url.Values) url.Values {
		values := url.Values{"name": {"Bank A"}, "permissions": {"resolve"}, "scope": {"any"}}
		for name, list := range change {
			values[name] = list
		}
		return values
	}
	for _, test := range []struct {
		change url.Values
		wants  string
	}{
		{url.Values{"name": {" "}}, "Enter the partner's name"},
		{url.Values{"scope": {"some"}}, "Choose at least one bank or wallet provider from the list below"},
		{url.Values{"permissions": {"root"}}, "Choose among these permissions and providers"},
		{url.Values{"scope": {"some"}, "fa_providers": {"no code<script>"}}, "Choose among these permissions and providers"},
		{url.Values{"callback_url": {"javascript:alert(1)"}}, "Enter an address such as https://partner.example.org/callback, without user name and #, with a public host name and port 443 or 8443"},
		{url.Values{"callback_url": {"https://user:pw@example.org/"}}, "Enter an address such as https://partner.example.org/callback, without user name and #, with a public host name and port 443 or 8443"},
	} {
		form := b.get("/admin/partners/BANK-A/settings").shows(http.StatusOK, "What Bank A may do")
		page, fragment := b.submit(form, "main form", good(test.change)), b.htmx().submit(form, "main form", good(test.change))
		for _, s := range []*screen{page, fragment} {
			s.shows(http.StatusUnprocessableEntity, "What Bank A may do").has(".error-summary a", test.wants).lacks("<script>alert", "<script>\"")
		}
		if strings.Contains(fragment.body, "<html") || !varies(page) {
			t.Error("htmx does not get a fragment")
		}
	}
	form := b.get("/admin/partners/BANK-A/settings")
	if s := b.htmx().submit(form, "main form", good(url.Values{"name": {"<b>Bank</b> & Söhne"}})); s.header.Get("HX-Redirect") != "/admin/partners/BANK-A" {
		t.Errorf("htmx: status %d to %q", s.status, s.header.Get("HX-Redirect"))
	}
	b.get("/admin/partners/BANK-A").shows(http.StatusOK, "<b>Bank</b> & Söhne").lacks("<b>Bank")
	// The same page once more, after somebody else's change.
	b.submit(form, "main form", good(url.Values{"permissions": {"unlink"}})).shows(http.StatusConflict, "Somebody else changed this partner")
	if p, _ := h.register.Get(t.Context(), "BANK-A"); !slices.Equal(p.Permissions, []keymgr.Permission{keymgr.Resolve}) {
		t.Errorf("permissions %v", p.Permissions)
	}
}

func TestSuspendAndDiscard(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	b := h.signedIn(t, inês)
	key := keytest.RSA(t, 1)
	b.leadsTo(b.submit(b.get("/admin/partners/BANK-A/suspend"), "main form", nil), "/admin/partners/BANK-A").has(".under-heading .tag", "Suspended")
	if h.signs(t, key, "BANK-A") {
		t.Error("a suspended partner's signature is accepted")
	}
	b.leadsTo(b.submit(b.get("/admin/partners/BANK-A/activate"), "main form", nil), "/admin/partners/BANK-A").has(".under-heading .tag", "Active")
	b.submit(b.get("/admin/partners/BANK-A/discard"), "main form", nil).shows(http.StatusUnprocessableEntity, "Drop the onboarding of Bank A?")

	if _, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "TYPO", Name: "Typo"}, nil); err != nil {
		t.Fatal(err)
	}
	b.submit(b.get("/admin/partners/TYPO/activate"), "main form", nil).shows(http.StatusUnprocessableEntity, "Activate Typo?").
		has(".notice-error[data-focus] p", "Without a certificate that is valid now, a partner cannot be active.")
	b.leadsTo(b.submit(b.get("/admin/partners/TYPO/discard"), "main form", nil), "/admin/partners").has("#flash p", "The onboarding is dropped.")
	b.get("/admin/partners/TYPO").shows(http.StatusNotFound, "We cannot find this page")
}

// changes are forms as an administrator would send them, by path; each would change something.
func changes(t *testing.T, h *house) map[string]url.Values {
	t.Helper()
	p, err := h.register.Get(t.Context(), "BANK-A")
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := p.Certificates[0].Fingerprint
	bank, branch := testProviders[0], testBranches[0]
	strategy, err := h.admin.Editor.Strategy(t.Context(), "bank")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]url.Values{
		"/admin/directory/new-provider":                          {"code": {"NEWBANK"}, "name": {"New Bank"}, "kind": {"bank"}},
		"/admin/directory/providers/GREENVAL/edit":               {"name": {"Other"}, "seen": {bank.State()}},
		"/admin/directory/providers/GREENVAL/close":              {"seen": {bank.State()}},
		"/admin/directory/providers/CLOSED/open":                 {"seen": {testProviders[1].State()}},
		"/admin/directory/providers/GREENVAL/new-branch":         {"branch_code": {"099"}, "name": {"New"}},
		"/admin/directory/providers/GREENVAL/branches/001/edit":  {"name": {"Other"}, "seen": {branch.State()}},
		"/admin/directory/providers/GREENVAL/branches/001/close": {"seen": {branch.State()}},
		"/admin/directory/providers/GREENVAL/branches/003/open":  {"seen": {testBranches[2].State()}},
		"/admin/directory/new-strategy": {
			"name": {"new"}, "kind": {"bank"}, "construct": {"x:{account_number}@{bank_code}"}, "deconstruct": {`^x:(?P<account_number>[0-9]+)@(?P<bank_code>[A-Z]+)$`},
		},
		"/admin/directory/strategies/bank/edit":                          {"construct": {strategy.Construct}, "deconstruct": {strategy.Deconstruct}, "seen": {strategy.State()}},
		"/admin/directory/strategies/bank/close":                         {"seen": {strategy.State()}},
		"/admin/partners/new":                                            {"name": {"New"}, "reference_id": {"NEW-1"}},
		"/admin/partners/BANK-A/settings":                                {"name": {"Other"}, "permissions": {"unlink"}, "scope": {"any"}, "seen": {fmt.Sprint(p.ChangedAt.UnixMilli())}},
		"/admin/partners/BANK-A/suspend":                                 nil,
		"/admin/partners/BANK-A/activate":                                nil,
		"/admin/partners/DRAFT-1/discard":                                nil,
		"/admin/partners/DRAFT-1/activate":                               nil,
		"/admin/partners/BANK-A/certificates/" + fingerprint + "/revoke": nil,
		"/admin/partners/BANK-A/certificate":                             {"certificate": {string(keytest.RSA(t, 9).Certificate(t))}, "until": {today()}},
		"/admin/partners/BANK-A/certificate/add":                         {"upload": {""}, "until": {today()}, "compared": {"yes"}},
	}
}

func newHouseToChange(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	if _, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "DRAFT-1"}, nil); err != nil {
		t.Fatal(err)
	}
	return h
}

// unchanged checks that nothing happened to the partners since a number of events.
func (h *house) unchanged(t *testing.T, since int64, what string) {
	t.Helper()
	head, err := h.trail.Head(t.Context())
	if err != nil || head.Seq != since {
		t.Errorf("%s: %d events, want %d, %v", what, head.Seq, since, err)
	}
}

func TestAuditorsOnlyLook(t *testing.T) {
	h := newHouseToChange(t)
	b := h.signedIn(t, tomás)
	head, err := h.trail.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := b.get("/admin/partners/BANK-A").shows(http.StatusOK, "Bank A")
	for path, form := range changes(t, h) {
		values := url.Values{web.FormTokenField: {b.formToken()}}
		for name, list := range form {
			values[name] = list
		}
		b.get(path).shows(http.StatusForbidden, "Only administrators can do this")
		b.send(http.MethodPost, path, values).shows(http.StatusForbidden, "Only administrators can do this")
		if s.Find("main a[href='"+path+"']").Length() != 0 {
			t.Errorf("an auditor is offered %s", path)
		}
	}
	h.unchanged(t, head.Seq, "an auditor")
	b.get("/admin/partners/BANK-A/try").shows(http.StatusOK, "Try a signature")
}

func TestOtherSitesChangeNothing(t *testing.T) {
	h := newHouseToChange(t)
	b := h.signedIn(t, inês)
	head, err := h.trail.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token := b.formToken()
	for path, form := range changes(t, h) {
		values := url.Values{}
		for name, list := range form {
			values[name] = list
		}
		b.send(http.MethodPost, path, values).shows(http.StatusForbidden, "We could not accept that")
		values.Set(web.FormTokenField, token)
		for _, header := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}} {
			other := &browser{t: t, portal: b.portal, client: b.client, header: header}
			other.send(http.MethodPost, path, values).shows(http.StatusForbidden, "We could not accept that")
		}
	}
	h.unchanged(t, head.Seq, "another site")
}

func TestOldLoginsChangeNothing(t *testing.T) {
	h := newHouseToChange(t)
	b := h.signedIn(t, inês)
	head, err := h.trail.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h.later(15*time.Minute + time.Second)
	for path, form := range changes(t, h) {
		values := url.Values{web.FormTokenField: {b.formToken()}}
		for name, list := range form {
			values[name] = list
		}
		for name, s := range map[string]*screen{"page": b.get(path), "form": b.send(http.MethodPost, path, values)} {
			if s.status != http.StatusSeeOther || s.header.Get("Location") != "/auth/login/staff" {
				t.Errorf("%s of %s: status %d to %q", name, path, s.status, s.header.Get("Location"))
			}
		}
	}
	h.unchanged(t, head.Seq, "an old login")
	b.get("/admin/partners/BANK-A").shows(http.StatusOK, "Bank A")
	b.logIn(inês)
	b.leadsTo(b.submit(b.get("/admin/partners/BANK-A/suspend"), "main form", nil), "/admin/partners/BANK-A")
}

// Every form has its page at the same address: that is where a login leads back to.
func TestEveryFormHasItsPage(t *testing.T) {
	pages := map[string]bool{}
	for _, route := range adminRoutes(t) {
		if route.Method == http.MethodGet {
			pages[route.Path] = true
		}
	}
	for _, route := range adminRoutes(t) {
		if !pages[route.Path] || route.Method != http.MethodGet && route.Method != http.MethodPost {
			t.Errorf("%s %s has no page", route.Method, route.Path)
		}
	}
}
