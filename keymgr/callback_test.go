package keymgr_test

import (
	"strings"
	"testing"
	"time"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/migrations/dbtest"
)

func TestCallbackURLs(t *testing.T) {
	db := dbtest.SQLite(t)
	register := keymgr.NewRegister(db, "app", audittest.New(t, db), time.Now)
	add := func(callback string, n int) error {
		_, err := register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "P" + strings.Repeat("X", n), CallbackURL: callback}, nil)
		return err
	}
	n := 0
	for _, good := range []string{"https://bank.example.org", "https://Bank.example.org/spar/on?x=1", "https://bank.example.org:8443/", "https://1.bank.example", "https://xn--bcher-kva.example/"} {
		n++
		if err := add(good, n); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"http://bank.example.org/", "ftp://bank.example.org/", "https:bank.example.org", "//bank.example.org", "https://", "https:///x",
		"https://u@bank.example.org/", "https://bank.example.org/#a", "https://bank.example.org#", "https://bank.example.org:8080/", "https://bank.example.org:/",
		"https://localhost/", "https://a.localhost/", "https://bank/", "https://db.internal/", "https://printer.local/", "https://x.home.arpa/", "https://bank.example.org./",
		"https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest", "https://8.8.8.8/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
		"https://2130706433/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://127.1/", "https://0x7f000001/", "https://bank.example.0x7f/", "https://bank.example.127/",
		"https://bänk.example/", "https://bank_a.example/", "https://-a.example/", "https://bank.example.org\\@evil.example/", "https://bank.example%2eorg/", "https://bank example.org/",
		"https://bank.example.org/" + strings.Repeat("x", 2000),
	} {
		n++
		if err := add(bad, n); err == nil {
			t.Errorf("%q was accepted", bad)
		} else {
			wantErr(t, bad, err, keymgr.ErrInvalid)
		}
	}
}
