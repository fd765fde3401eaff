package keymgr_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
)

// events lists what the audit log holds about a partner, the newest first, without its certificates.
func events(t *testing.T, r *keymgr.Register, reference string) []string {
	t.Helper()
	entries, err := audittest.New(t, r.Database()).List(t.Context(), audit.Filter{Action: "partner.", Target: reference})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, strings.TrimSpace(e.Action+" "+e.Before+" > "+e.After+" "+e.DetailText()))
	}
	return list
}

func TestConfigure(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, c *clock) {
		p := keytest.RSA(t, 1).Onboard(t, r, "BANK-A", keymgr.Resolve)
		c.advance(1000)
		settings := keymgr.Settings{
			Name: "Bank A", Permissions: []keymgr.Permission{keymgr.Link, keymgr.Resolve}, FAProviders: []string{"greenval", "AMBER"}, CallbackURL: "https://a.example.org/spar",
		}
		c.advance(1e9)
		must(t, r.Configure(t.Context(), audittest.By, "BANK-A", settings, p.ChangedAt))
		got, err := r.Get(t.Context(), "BANK-A")
		must(t, err)
		want := keymgr.Settings{
			Name: "Bank A", Permissions: []keymgr.Permission{keymgr.Resolve, keymgr.Link}, FAProviders: []string{"AMBER", "GREENVAL"}, CallbackURL: "https://a.example.org/spar",
		}
		if diff := cmp.Diff(want, got.Settings()); diff != "" || got.Status != keymgr.Active || len(got.Certificates) != 1 {
			t.Errorf("settings (-want +got):\n%s\n%+v", diff, got)
		}
		wantErr(t, "what was read before", r.Configure(t.Context(), audittest.By, "BANK-A", settings, p.ChangedAt), keymgr.ErrStale)
		wantErr(t, "nobody", r.Configure(t.Context(), audittest.By, "BANK-B", settings, p.ChangedAt), keymgr.ErrNotFound)
		for _, bad := range []keymgr.Settings{
			{Name: "a\nb"}, {CallbackURL: "ftp://example.org"}, {Permissions: []keymgr.Permission{"root"}}, {FAProviders: []string{"no code"}},
		} {
			wantErr(t, "bad settings", r.Configure(t.Context(), audittest.By, "BANK-A", bad, got.ChangedAt), keymgr.ErrInvalid)
		}
		c.advance(1e9)
		must(t, r.Configure(t.Context(), audittest.By, "BANK-A", want, got.ChangedAt)) // changes nothing, and says nothing
		if diff := cmp.Diff([]string{
			"partner.configure fa_providers= callback_url= > fa_providers=AMBER,GREENVAL callback_url=https://a.example.org/spar name=changed",
			"partner.permit resolve > resolve,link",
		}, events(t, r, "BANK-A")[:2]); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestDiscard(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, _ *clock) {
		draft := keymgr.Partner{ReferenceID: "TYPO-A", Name: "Bank A"}
		_, err := r.Add(t.Context(), audittest.By, draft, keytest.RSA(t, 1).Certificate(t))
		must(t, err)
		must(t, r.Discard(t.Context(), audittest.By, "TYPO-A"))
		if _, err := r.Get(t.Context(), "TYPO-A"); err == nil {
			t.Error("it is still there")
		}
		if got := events(t, r, "TYPO-A"); len(got) != 2 || got[0] != "partner.discard draft >" {
			t.Errorf("events %q", got)
		}
		keytest.RSA(t, 1).Onboard(t, r, "BANK-A", keymgr.Resolve) // the key is free
		wantErr(t, "an active partner", r.Discard(t.Context(), audittest.By, "BANK-A"), keymgr.ErrInvalid)
		must(t, r.SetStatus(t.Context(), audittest.By, "BANK-A", keymgr.Suspended))
		wantErr(t, "a suspended partner", r.Discard(t.Context(), audittest.By, "BANK-A"), keymgr.ErrInvalid)
		wantErr(t, "nobody", r.Discard(t.Context(), audittest.By, "TYPO-A"), keymgr.ErrNotFound)

		p, err := r.Add(t.Context(), audittest.By, draft, keytest.RSA(t, 2).Certificate(t))
		must(t, err)
		must(t, r.RevokeCertificate(t.Context(), audittest.By, "TYPO-A", p.Certificates[0].Fingerprint))
		wantErr(t, "a revoked key", r.Discard(t.Context(), audittest.By, "TYPO-A"), keymgr.ErrKeyRevoked)
	})
}
