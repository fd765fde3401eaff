package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"spar/keymgr"
	"spar/keymgr/keytest"
)

// What a partner sent is validated before the administrator's eyes, and nothing is left of it.
func TestTry(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	h.onboard(t, 2, "BANK-B", "Bank B", 400)
	a, b := keytest.RSA(t, 1), keytest.RSA(t, 2)
	const body = `{"signature":"","header":{"sender_id":"BANK-A"},"message":{"id":"token:marker-4711@nationalid"}}`
	lines := "{\n \"header\": {\"sender_id\": \"BANK-A\"},\n \"message\": {}\n}\n"
	crlf := strings.ReplaceAll(lines, "\n", "\r\n")
	other := strings.Replace(body, "4711", "4712", 1)
	admin := h.signedIn(t, tomás)
	for _, test := range []struct {
		name, body, signature string
		file                  bool
		verdict               string
		steps                 string // P passed, F failed, N not reached
		wants                 string
	}{
		{"good", body, a.Detached(t, []byte(body)), false, "The signature is valid", "PPPP", "as sent"},
		{"good, as a file", body, a.Full(t, []byte(body)), true, "The signature is valid", "PPPP", "Full: the token carries the body"},
		{"several lines", lines, a.Detached(t, []byte(lines)), false, "The signature is valid", "PPPP", "Browsers change line ends"},
		{"several lines, CR LF", crlf, a.Detached(t, []byte(crlf)), false, "The signature is valid", "PPPP", "Browsers change line ends"},
		{"changed", other, a.Detached(t, []byte(body)), false, "The signature fits none of the partner's certificates", "PPPF", "Hash in the signature"},
		{"changed, in full", other, a.Full(t, []byte(body)), false, "The signature belongs to another body", "PP", `In the token:{"id":"token:marker-4711`},
		{"another partner's key", body, b.Detached(t, []byte(body)), false, "The signature fits none of the partner's certificates", "PPFF", "not this partner's key"},
		{"another sender", strings.Replace(body, "BANK-A", "BANK-B", 1), b.Detached(t, []byte(strings.Replace(body, "BANK-A", "BANK-B", 1))), false,
			"The signature is valid", "PPPP", "The body says that BANK-B sent it."},
		{"no signature at all", body, "<script>alert(1)</script>", false, "The Signature header is not a signature", "F", "<script>alert(1)</script>"},
		{"no JSON", "marker", a.Detached(t, []byte("marker")), false, "The signature is valid", "PPPP", "The call would be refused whatever its signature"},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := admin.get("/admin/partners/BANK-A/try").shows(http.StatusOK, "Try a signature")
			var s *screen
			if test.file {
				s = admin.upload(form, "main form", url.Values{"signature": {test.signature}}, []byte(test.body))
			} else {
				s = admin.submit(form, "main form", url.Values{"signature": {test.signature}, "body": {strings.ReplaceAll(strings.ReplaceAll(test.body, "\r\n", "\n"), "\n", "\r\n")}})
			}
			s.t = t
			s.shows(http.StatusOK, "Try a signature").lacks("<script>alert")
			if got := s.text("[role=status] strong"); !strings.HasPrefix(got, test.verdict) {
				t.Errorf("the verdict is %q, want %q", got, test.verdict)
			}
			states := strings.NewReplacer("Passed", "P", "Failed", "F", "Not reached", "N").Replace(s.text(".trial h2 .tag"))
			if !strings.HasPrefix(states, test.steps) || s.Find(".trial > li").Length() != 4 {
				t.Errorf("steps are %s, want %s", states, test.steps)
			}
			if !strings.Contains(s.text("main"), test.wants) {
				t.Errorf("nothing says %q:\n%s", test.wants, s.text("main"))
			}
		})
	}
	if strings.Contains(h.log.String(), "marker") || strings.Contains(h.log.String(), "BANK-A") {
		t.Errorf("the log holds what was tried: %s", h.log.String())
	}
	if err := h.calls.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if counts, err := h.calls.Counts(t.Context(), time.Now().Add(-time.Hour)); err != nil || len(counts) != 0 {
		t.Errorf("what was tried is counted: %v, %v", counts, err)
	}
	if list, err := h.calls.Refusals(t.Context(), keymgr.UnknownPartner, 10); err != nil || len(list) != 0 {
		t.Errorf("what was tried is kept: %v, %v", list, err)
	}
}

func TestTryToCorrect(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	b := h.signedIn(t, tomás)
	form := b.get("/admin/partners/BANK-A/try")
	s := b.submit(form, "main form", url.Values{"signature": {" "}, "body": {""}}).shows(http.StatusUnprocessableEntity, "Try a signature")
	s.has(".error-summary", "There is a problemPaste the body or choose its filePaste the value of the Signature header")
	if s := b.upload(form, "main form", url.Values{"signature": {"x"}}, make([]byte, 3<<20+1)); s.status != http.StatusUnprocessableEntity {
		t.Errorf("a file that is too large: status %d", s.status)
	}
	b.get("/admin/partners/BANK-Z/try").shows(http.StatusNotFound, "We cannot find this page")
}
