package mosip_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/keymgr/mosip"
	"spar/keymgr/mosip/mosiptest"
	"spar/migrations/dbtest"
)

// TestRotation: the key manager uses one certificate at a time, whatever our register holds.
func TestRotation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		w := worldOn(t, db)
		next := keytest.RSA(t, 1)
		w.clock.advance(time.Minute)
		added, err := w.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", w.certificate(t, next))
		must(t, err)
		w.accepts(t, body, w.signed(t))
		w.refuses(t, keymgr.NotInKeyManager, "PARTNER-A", body, next.Detached(t, []byte(body)))

		uploaded, err := w.Upload(t.Context(), audittest.By, "PARTNER-A", added.Fingerprint)
		must(t, err)
		if uploaded.Certificate.Fingerprint != added.Fingerprint || !uploaded.StopsAt.Equal(added.NotAfter.AddDate(0, 0, -30)) {
			t.Errorf("uploaded %+v", uploaded)
		}
		w.accepts(t, body, next.Detached(t, []byte(body)))
		w.refuses(t, keymgr.NotInKeyManager, "PARTNER-A", body, w.signed(t))
		must(t, again(w.Upload(t.Context(), audittest.By, "PARTNER-A", ""))) // KER-KMS-035 is no failure
		w.accepts(t, body, next.Detached(t, []byte(body)))
		if made := w.double.Generated(); len(made) != 0 {
			t.Errorf("made the key manager generate keys for %v", made)
		}
		var actions []string
		must(t, db.Select(&actions, `SELECT after_value FROM audit_events WHERE action = 'certificate.upload' ORDER BY seq`))
		if len(actions) != 3 || actions[1] != added.Fingerprint {
			t.Errorf("audited %v", actions)
		}
	})
}

func again(_ mosip.Uploaded, err error) error { return err }

// TestARenewedCertificateOfTheSameKey needs no upload until the old one stops there.
func TestARenewedCertificateOfTheSameKey(t *testing.T) {
	w := newWorld(t)
	w.clock.advance(time.Minute)
	renewed, err := w.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", w.certificate(t, w.key))
	must(t, err)
	w.accepts(t, body, w.signed(t))
	must(t, again(w.Upload(t.Context(), audittest.By, "PARTNER-A", renewed.Fingerprint)))
	w.accepts(t, body, w.signed(t))
}

// TestStopsBeforeTheEnd: the day comes at which the register's certificate is good and the key manager's is not.
func TestStopsBeforeTheEnd(t *testing.T) {
	w := newWorld(t)
	p, err := w.register.Get(t.Context(), "PARTNER-A")
	must(t, err)
	stops := w.StopsAt(p.Certificates[0])
	w.clock.advance(stops.Sub(w.clock.now()) - 1)
	w.accepts(t, body, w.signed(t))
	w.clock.advance(2)
	refusal := w.refuses(t, keymgr.Disagreement, "PARTNER-A", body, w.signed(t))
	if !strings.Contains(refusal.Detail.Error(), "KER-KMS-016") {
		t.Errorf("refusal %v", refusal)
	}
}

// TestUploadOfWhatMayNotBeUsed: what our register would not verify with is not handed over, and nobody unknown is asked
// about.
func TestUploadOfWhatMayNotBeUsed(t *testing.T) {
	w := newWorld(t)
	before := len(w.double.Calls(""))
	revoked, expired := keytest.RSA(t, 1), keytest.RSA(t, 2)
	r, err := w.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", w.certificate(t, revoked))
	must(t, err)
	must(t, w.register.RevokeCertificate(t.Context(), audittest.By, "PARTNER-A", r.Fingerprint))
	e, err := w.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", expired.Certificate(t))
	must(t, err)
	w.clock.advance(48 * time.Hour)
	_, err = w.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "BARE"}, nil)
	must(t, err)
	for name, test := range map[string]struct {
		reference, fingerprint string
		want                   error
	}{
		"unknown partner":     {"NOBODY", "", keymgr.ErrNotFound},
		"blank partner":       {"", "", keymgr.ErrNotFound},
		"without certificate": {"BARE", "", keymgr.ErrNoCertificate},
		"another's":           {"BARE", r.Fingerprint, keymgr.ErrNotFound},
		"revoked":             {"PARTNER-A", r.Fingerprint, keymgr.ErrCertificate},
		"expired":             {"PARTNER-A", e.Fingerprint, keymgr.ErrCertificate},
		"no fingerprint":      {"PARTNER-A", "abc", keymgr.ErrInvalid},
	} {
		if _, err := w.Upload(t.Context(), audittest.By, test.reference, test.fingerprint); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	if n := len(w.double.Calls("")) - before; n != 0 {
		t.Errorf("caused %d calls", n)
	}
}

// TestFailedUpload: nothing is noted, the partner's calls stay refused, and the operator is told what to do.
func TestFailedUpload(t *testing.T) {
	w := newWorld(t)
	key := keytest.RSA(t, 1)
	w.onboard(t, "PARTNER-B", key)
	signed := key.Detached(t, []byte(body))
	shown, _ := w.register.Get(t.Context(), "PARTNER-A")
	other := mosiptest.JSON(`{"response":{"certificate":` + string(mustJSON(t, string(keymgr.CertificatePEM(shown.Certificates[0].DER)))) + `},"errors":null}`)
	for name, test := range map[string]struct {
		call   string
		answer mosiptest.Twist
		want   string
	}{
		"application unknown":     {"uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-002"), "key_manager.application_id"},
		"several there":           {"uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-003"), "remove all but one"},
		"invalid":                 {"uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-005"), "blank or malformed"},
		"cannot be parsed":        {"uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-013"), "cannot parse"},
		"reserved reference":      {"uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-030"), "reserved"},
		"its own key":             {"uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-031"), "own key"},
		"a key was made":          {"uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-034"), "key pair of its own"},
		"broken":                  {"uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-500"), "internal error"},
		"no role":                 {"uploadOtherDomainCertificate", mosiptest.Forbidden(), "lacks the role"},
		"hangs":                   {"uploadOtherDomainCertificate", mosiptest.Hang(), "deadline"},
		"says nothing":            {"uploadOtherDomainCertificate", mosiptest.JSON(`{"response":{},"errors":null}`), "does not say"},
		"says yes and no":         {"uploadOtherDomainCertificate", mosiptest.JSON(`{"response":{"status":"Upload Success"},"errors":[{"errorCode":"KER-KMS-005"}]}`), "KER-KMS-005"},
		"shows nothing":           {"getCertificate", mosiptest.JSON(`{"response":{"certificate":null},"errors":null}`), "no certificate"},
		"shows another":           {"getCertificate", other, "another certificate"},
		"shows a private key":     {"getCertificate", mosiptest.JSON(`{"response":{"certificate":"-----BEGIN PRIVATE KEY-----\nMESSAGEMARKER\n-----END PRIVATE KEY-----"},"errors":null}`), "no certificate"},
		"cannot be read back":     {"getCertificate", mosiptest.Fails("KER-KMS-016"), "KER-KMS-016"},
		"hangs when read back":    {"getCertificate", mosiptest.Hang(), "deadline"},
		"500 when read back":      {"getCertificate", mosiptest.Answer(http.StatusInternalServerError, "text/html", "MESSAGEMARKER"), "answered 500"},
		"garbage when read back":  {"getCertificate", mosiptest.JSON("MESSAGEMARKER"), "envelope"},
		"redirect when read back": {"getCertificate", mosiptest.Redirect("/elsewhere"), "answered 307"},
	} {
		t.Run(name, func(t *testing.T) {
			w.double.Behave()
			w.double.Misbehave(test.call, test.answer)
			fresh := w.fresh(t)
			_, err := fresh.Upload(t.Context(), audittest.By, "PARTNER-B", "")
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "MESSAGEMARKER") {
				t.Fatalf("got %v, want it to say %q", err, test.want)
			}
			w.double.Behave()
			fresh.refuses(t, keymgr.NotInKeyManager, "PARTNER-B", body, signed)
		})
	}
	must(t, again(w.Upload(t.Context(), audittest.By, "PARTNER-B", ""))) // once it behaves, doing it again is enough
	if p, err := w.verify(t.Context(), "PARTNER-B", body, signed); err != nil || p.ReferenceID != "PARTNER-B" {
		t.Errorf("after the upload: %q, %v", p.ReferenceID, err)
	}
}

// TestOnlyCertificatesTravel: an upload is one certificate and the two ids, nothing else.
func TestOnlyCertificatesTravel(t *testing.T) {
	w := newWorld(t)
	for _, call := range w.double.Calls("uploadOtherDomainCertificate") {
		data, _ := call.Request["certificateData"].(string)
		block, rest := pem.Decode([]byte(data))
		if block == nil || block.Type != "CERTIFICATE" || len(rest) != 0 {
			t.Errorf("uploaded %q", data)
		}
		names := make([]string, 0, 3)
		for name := range call.Request {
			names = append(names, name)
		}
		slices.Sort(names)
		if text, _ := json.Marshal(names); string(text) != `["applicationId","certificateData","referenceId"]` {
			t.Errorf("members %s", text)
		}
	}
}

// TestTLS: only a certificate of the configured authority is believed.
func TestTLS(t *testing.T) {
	double := mosiptest.StartTLS(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(ca, keymgr.CertificatePEM(double.Certificate().Raw), 0o600))
	base := newWorld(t)
	for name, test := range map[string]struct {
		file string
		ok   bool
	}{"its authority": {ca, true}, "the system's": {"", false}} {
		config := double.Config()
		config.CAFile = test.file
		client, err := mosip.NewClient(config)
		must(t, err)
		k := mosip.New(client, base.register, keymgr.NewLocal(base.register))
		_, err = k.Upload(t.Context(), audittest.By, "PARTNER-A", "")
		if (err == nil) != test.ok || err != nil && !errors.Is(err, keymgr.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := filepath.Join(t.TempDir(), "bad.pem")
	must(t, os.WriteFile(bad, []byte("nothing"), 0o600))
	for _, config := range []mosip.Config{
		{ApplicationID: "a", CAFile: bad}, {ApplicationID: "a", CAFile: bad + ".missing"}, {ApplicationID: " "}, {ApplicationID: ""},
		{ApplicationID: "a", Timeout: 4e9}, {ApplicationID: "a", Timeout: -1},
	} {
		if _, err := mosip.NewClient(config); err == nil {
			t.Errorf("%+v is accepted", config)
		}
	}
}
