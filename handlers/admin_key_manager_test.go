package handlers_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/keymgr/mosip"
	"spar/keymgr/mosip/mosiptest"
)

// With a key manager elsewhere the first certificate goes there at once, the next one when the partner is ready.
func TestHandOver(t *testing.T) {
	h, double := newHouse(t), mosiptest.Start(t)
	client, err := mosip.NewClient(double.Config())
	if err != nil {
		t.Fatal(err)
	}
	h.admin.KeyManager = mosip.New(client, h.register, keymgr.NewLocal(h.register))
	b := h.signedIn(t, inês)
	certificate := func(number int) []byte {
		return keytest.RSA(t, number).CertificateFor(t, time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
	}
	b.submit(b.get("/admin/partners/new"), "main form", url.Values{"name": {"Bank A"}, "reference_id": {"BANK-A"}})
	double.Misbehave("uploadOtherDomainCertificate", mosiptest.Answer(http.StatusInternalServerError, "text/html", "down"))
	s := b.leadsTo(b.addCertificate("BANK-A", certificate(1), nil), "/admin/partners/BANK-A/settings")
	s.has("#flash p", "The certificate is added here, but the key manager did not take it. Until it has it, calls signed with it are refused: give it to the key manager below.")
	path := b.get("/admin/partners/BANK-A").has(".certificate .answers > div:last-child dd", "No: calls signed with it are refused").
		Find(".certificate .quiet-link").AttrOr("href", "")
	s = b.get(path).shows(http.StatusOK, "Give this certificate to the key manager?")
	b.submit(s, "main form", nil).shows(http.StatusUnprocessableEntity, "Give this certificate to the key manager?").
		has("[role=alert][data-focus] p", "The key manager did not answer as it should. Try again: doing it twice does no harm.")
	double.Misbehave("uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-034"))
	b.submit(s, "main form", nil).has("[role=alert][data-focus] p", "The key manager refused the certificate. The log says why.")
	double.Behave()
	b.leadsTo(b.submit(s, "main form", nil), "/admin/partners/BANK-A").has("#flash p", "The key manager has this certificate now.").
		has(".certificate .answers > div:last-child dd", "Yes")

	before := len(double.Calls("uploadOtherDomainCertificate"))
	s = b.leadsTo(b.addCertificate("BANK-A", certificate(2), url.Values{"until": {today()}}), "/admin/partners/BANK-A/settings")
	if len(double.Calls("uploadOtherDomainCertificate")) != before {
		t.Error("the next certificate ended the first one in the key manager")
	}
	s.has("#flash p", "The certificate is added here. The key manager still has the older one: give it this one when the partner begins to sign with it.")
	if links := b.get("/admin/partners/BANK-A").Find(".quiet-link"); links.Length() != 1 {
		t.Errorf("%d certificates are offered to the key manager", links.Length())
	}
}

// Without one, nothing speaks of it.
func TestNoKeyManager(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	b := h.signedIn(t, inês)
	p, err := h.register.Get(t.Context(), "BANK-A")
	if err != nil {
		t.Fatal(err)
	}
	b.get("/admin/partners/BANK-A").lacks("key manager")
	b.get("/admin/partners/BANK-A/certificates/"+p.Certificates[0].Fingerprint+"/upload").shows(http.StatusNotFound, "We cannot find this page")
}
