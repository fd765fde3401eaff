package keymgr_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/migrations/dbtest"
)

func TestExpiring(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := newClock()
		r := keymgr.NewRegister(db, application, audittest.New(t, db), c.now)
		const day = 24 * time.Hour
		add := func(reference string, status keymgr.Status, lasts ...time.Duration) {
			for i, left := range lasts {
				certificate := keytest.EC(t).CertificateFor(t, c.now().Add(-day), c.now().Add(left))
				if i == 0 {
					_, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: reference, Status: status}, certificate)
					must(t, err)
					continue
				}
				_, err := r.AddCertificate(t.Context(), audittest.By, reference, certificate, keymgr.Beside())
				must(t, err)
			}
		}
		add("LATER", keymgr.Active, 61*day)
		add("SOON", keymgr.Active, 59*day)
		add("NOW", keymgr.Active, 20*time.Hour)
		add("ROTATED", keymgr.Active, 10*day, 400*day)
		add("TWICE", keymgr.Active, 5*day, 20*day)
		add("DRAFT", keymgr.Draft, 5*day)
		add("RESTING", keymgr.Suspended, 5*day)
		add("REVOKED", keymgr.Active, 5*day)
		p, err := r.Get(t.Context(), "REVOKED")
		must(t, err)
		must(t, r.RevokeCertificate(t.Context(), audittest.By, "REVOKED", p.Certificates[0].Fingerprint))
		add("GONE", keymgr.Active, time.Hour)
		c.advance(2 * time.Hour)

		list, err := r.Expiring(t.Context())
		must(t, err)
		var got []string
		for _, e := range list {
			got = append(got, fmt.Sprintf("%s in %d of %d, last %t", e.Reference, e.Days, e.Within, e.Last))
		}
		want := "NOW in 0 of 1, last true; TWICE in 4 of 7, last false; ROTATED in 9 of 14, last false; TWICE in 19 of 30, last true; SOON in 58 of 60, last true"
		if strings.Join(got, "; ") != want {
			t.Errorf("got  %s\nwant %s", strings.Join(got, "; "), want)
		}
	})
}

// A partner's certificate is worth no more than those above it.
func TestExpiringWithItsIssuer(t *testing.T) {
	h, p := newHouse(t), newPKI(t)
	p.root("root", authorityExtensions)
	p.days = "10"
	p.issue("inter", "/CN=Inter", "root", authorityExtensions)
	p.days = "200"
	p.issue("bank", "/CN=Bank", "inter", partnerExtensions)
	anchor := p.trust(h, "root")
	p.onboard(h, "bank", "inter")
	list, err := h.register.Expiring(t.Context())
	must(t, err)
	if len(list) != 2 || list[1].Reference != "BANK" || list[1].Within != 14 || !list[1].Last { // the first is PARTNER-A's, for a day
		t.Errorf("got %+v", list)
	}
	must(t, h.register.RemoveTrustAnchor(t.Context(), audittest.By, anchor.Fingerprint))
	if list, err = h.register.Expiring(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("without its anchor: %+v, %v", list, err)
	}
}
