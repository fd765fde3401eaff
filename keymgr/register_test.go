package keymgr_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/migrations/dbtest"
)

const application = "openg2p-spar-mapper"

// clock is a settable time.
type clock struct {
	sync.Mutex
	t time.Time
}

func newClock() *clock { return &clock{t: time.Now().Truncate(time.Millisecond)} }

func (c *clock) now() time.Time {
	c.Lock()
	defer c.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.Lock()
	defer c.Unlock()
	c.t = c.t.Add(d)
}

// eachRegister runs a test on an empty register of each database.
func eachRegister(t *testing.T, test func(t *testing.T, r *keymgr.Register, c *clock)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := newClock()
		test(t, keymgr.NewRegister(db, application, audittest.New(t, db), c.now), c)
	})
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAddAndGet(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, c *clock) {
		added, err := r.Add(t.Context(), audittest.By, keymgr.Partner{
			ReferenceID: "PARTNER-A",
			Name:        "Bank Ä",
			Status:      keymgr.Active,
			Permissions: []keymgr.Permission{keymgr.Unlink, keymgr.Resolve, keymgr.Resolve},
			FAProviders: []string{"bank2", "BANK1"},
			CallbackURL: "https://bank.example/callback",
		}, keytest.RSA(t, 0).Certificate(t))
		must(t, err)
		want := keymgr.Partner{
			ReferenceID: "PARTNER-A",
			Name:        "Bank Ä",
			Status:      keymgr.Active,
			Permissions: []keymgr.Permission{keymgr.Resolve, keymgr.Unlink},
			FAProviders: []string{"BANK1", "BANK2"},
			CallbackURL: "https://bank.example/callback",
			CreatedAt:   c.now().UTC(),
			ChangedAt:   c.now().UTC(),
		}
		want.Certificates = added.Certificates
		if diff := cmp.Diff(want, added); diff != "" {
			t.Errorf("added partner (-want +got):\n%s", diff)
		}
		if len(added.Certificates) != 1 || added.Certificates[0].Algorithm != "RS256" || !added.Certificates[0].AddedAt.Equal(c.now()) {
			t.Errorf("certificates: %+v", added.Certificates)
		}
		got, err := r.Get(t.Context(), "PARTNER-A")
		must(t, err)
		if diff := cmp.Diff(added, got); diff != "" {
			t.Errorf("stored partner (-want +got):\n%s", diff)
		}
		_, err = r.Get(t.Context(), "partner-a")
		wantErr(t, "get by another case", err, keymgr.ErrNotFound)
	})
}

func TestAddRefusesReferenceIDs(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, _ *clock) {
		for _, id := range []string{
			"", "-a", ".a", "a b", "a/b", "a\n", "ä", "a@b", strings.Repeat("a", 65), "a;drop table partners", "a\x00",
		} {
			_, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: id}, nil)
			wantErr(t, id, err, keymgr.ErrInvalid)
		}
		for _, id := range []string{"A", "9", strings.Repeat("a", 64), "PARTNER-A", "urn:bank.1_x"} {
			if _, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: id}, nil); err != nil {
				t.Errorf("%q: %v", id, err)
			}
		}
	})
}

func TestAddRefusesBadFields(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, _ *clock) {
		for _, p := range []keymgr.Partner{
			{Name: strings.Repeat("x", 201)},
			{Name: "two\nlines"},
			{Name: "\xff"},
			{Status: "alive"},
			{Permissions: []keymgr.Permission{"resolve", "everything"}},
			{FAProviders: []string{"A,B"}},
			{FAProviders: []string{""}},
			{CallbackURL: "ftp://bank.example"},
			{CallbackURL: "/relative"},
			{CallbackURL: "https://user:secret@bank.example/"},
			{CallbackURL: "https://bank.example/#x"},
		} {
			p.ReferenceID = "PARTNER-A"
			_, err := r.Add(t.Context(), audittest.By, p, nil)
			wantErr(t, strings.TrimSpace(p.Name+p.CallbackURL), err, keymgr.ErrInvalid)
		}
		if list, err := r.List(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("after refusals: %v, %v", list, err)
		}
	})
}

func TestAddRefusesFoldedCollision(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, _ *clock) {
		_, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "My-Bank"}, nil)
		must(t, err)
		_, err = r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "My-Bank"}, nil)
		wantErr(t, "same", err, keymgr.ErrExists)
		for _, id := range []string{"MY-BANK", "my_bank", "My.Bank"} {
			_, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: id}, nil)
			wantErr(t, id, err, keymgr.ErrExists)
			if err == nil || !strings.Contains(err.Error(), "My-Bank") {
				t.Errorf("%s: the error %v does not name the partner it collides with", id, err)
			}
		}
		other := keymgr.NewRegister(r.Database(), "another-application", audittest.New(t, r.Database()), time.Now)
		if _, err := other.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "MY-BANK"}, nil); err != nil {
			t.Errorf("in another application: %v", err)
		}
	})
}

func TestActiveNeedsCertificate(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, c *clock) {
		_, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "A", Status: keymgr.Active}, nil)
		wantErr(t, "add active without certificate", err, keymgr.ErrNoCertificate)
		_, err = r.Get(t.Context(), "A")
		wantErr(t, "get after refusal", err, keymgr.ErrNotFound)

		_, err = r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "A"}, nil)
		must(t, err)
		wantErr(t, "activate without certificate", r.SetStatus(t.Context(), audittest.By, "A", keymgr.Active), keymgr.ErrNoCertificate)
		_, err = r.AddCertificate(t.Context(), audittest.By, "A", keytest.RSA(t, 0).Certificate(t))
		must(t, err)
		must(t, r.SetStatus(t.Context(), audittest.By, "A", keymgr.Active))
		must(t, r.SetStatus(t.Context(), audittest.By, "A", keymgr.Suspended))
		c.advance(48 * time.Hour)
		wantErr(t, "activate with expired certificate", r.SetStatus(t.Context(), audittest.By, "A", keymgr.Active), keymgr.ErrNoCertificate)
		wantErr(t, "back to draft", r.SetStatus(t.Context(), audittest.By, "A", keymgr.Draft), keymgr.ErrInvalid)
		wantErr(t, "unknown partner", r.SetStatus(t.Context(), audittest.By, "B", keymgr.Suspended), keymgr.ErrNotFound)
	})
}

func TestPermit(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, c *clock) {
		keytest.RSA(t, 0).Onboard(t, r, "A", keymgr.Resolve)
		c.advance(time.Second)
		must(t, r.Permit(t.Context(), audittest.By, "A", []keymgr.Permission{keymgr.Link, keymgr.Details}))
		err := r.Permit(t.Context(), audittest.By, "A", []keymgr.Permission{keymgr.Link, "fly"})
		wantErr(t, "unknown permission", err, keymgr.ErrInvalid)
		if err == nil || !strings.Contains(err.Error(), `"fly"`) {
			t.Errorf("the error %v does not name the permission", err)
		}
		p, err := r.Get(t.Context(), "A")
		must(t, err)
		if diff := cmp.Diff([]keymgr.Permission{keymgr.Details, keymgr.Link}, p.Permissions); diff != "" {
			t.Errorf("permissions (-want +got):\n%s", diff)
		}
		if !p.ChangedAt.Equal(c.now()) {
			t.Errorf("changed at %v, want %v", p.ChangedAt, c.now())
		}
		must(t, r.Permit(t.Context(), audittest.By, "A", nil))
		p, err = r.Get(t.Context(), "A")
		must(t, err)
		if len(p.Permissions) != 0 {
			t.Errorf("permissions after taking all: %v", p.Permissions)
		}
		wantErr(t, "unknown partner", r.Permit(t.Context(), audittest.By, "B", nil), keymgr.ErrNotFound)
	})
}

func TestGetKnowsNobodyByANameThatIsNone(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, _ *clock) {
		for _, reference := range []string{"", "A\x00", "\xff", "../A"} {
			_, err := r.Get(t.Context(), reference)
			wantErr(t, fmt.Sprintf("get %q", reference), err, keymgr.ErrNotFound)
		}
	})
}

func TestListIsOrderedAndComplete(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, c *clock) {
		for i, id := range []string{"b", "A", "a1", "B1"} {
			_, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: id}, keytest.RSA(t, i).Certificate(t))
			must(t, err)
		}
		c.advance(time.Second)
		_, err := r.AddCertificate(t.Context(), audittest.By, "a1", keytest.RSA(t, 4).Certificate(t))
		must(t, err)
		list, err := r.List(t.Context())
		must(t, err)
		var ids []string
		for _, p := range list {
			ids = append(ids, p.ReferenceID)
			if want := 1 + strings.Count(p.ReferenceID, "a1"); len(p.Certificates) != want {
				t.Errorf("%s has %d certificates, want %d", p.ReferenceID, len(p.Certificates), want)
			}
		}
		if diff := cmp.Diff([]string{"A", "B1", "a1", "b"}, ids); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestAtMostThreeCertificates(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, c *clock) {
		p := keytest.RSA(t, 0).Onboard(t, r, "A")
		for i := 1; i <= 2; i++ {
			_, err := r.AddCertificate(t.Context(), audittest.By, "A", keytest.RSA(t, i).Certificate(t))
			must(t, err)
		}
		_, err := r.AddCertificate(t.Context(), audittest.By, "A", keytest.RSA(t, 3).Certificate(t))
		wantErr(t, "fourth", err, keymgr.ErrTooManyCertificates)
		must(t, r.RevokeCertificate(t.Context(), audittest.By, "A", p.Certificates[0].Fingerprint))
		_, err = r.AddCertificate(t.Context(), audittest.By, "A", keytest.RSA(t, 3).Certificate(t))
		if err != nil {
			t.Errorf("after a revocation: %v", err)
		}
		c.advance(48 * time.Hour)
		_, err = r.AddCertificate(t.Context(), audittest.By, "A", keytest.RSA(t, 4).CertificateFor(t, c.now(), c.now().Add(time.Hour)))
		if err != nil {
			t.Errorf("after the others expired: %v", err)
		}
		_, err = r.AddCertificate(t.Context(), audittest.By, "B", keytest.RSA(t, 5).Certificate(t))
		if !errors.Is(err, keymgr.ErrCertificate) { // it has expired by now
			t.Errorf("expired: %v", err)
		}
		_, err = r.AddCertificate(t.Context(), audittest.By, "B", keytest.RSA(t, 5).CertificateFor(t, c.now(), c.now().Add(time.Hour)))
		wantErr(t, "unknown partner", err, keymgr.ErrNotFound)
	})
}

func TestCertificatesAddedAtOnce(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, _ *clock) {
		keytest.RSA(t, 0).Onboard(t, r, "A")
		errs := make(chan error, 5)
		for i := 1; i <= cap(errs); i++ {
			certificate := keytest.RSA(t, i).Certificate(t)
			go func() {
				_, err := r.AddCertificate(t.Context(), audittest.By, "A", certificate)
				errs <- err
			}()
		}
		added := 0
		for range cap(errs) {
			if err := <-errs; err == nil {
				added++
			} else {
				wantErr(t, "add", err, keymgr.ErrTooManyCertificates)
			}
		}
		if added != 2 {
			t.Errorf("%d certificates were added beside the first, want 2", added)
		}
	})
}

func TestPublicKeyBelongsToOnePartner(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, _ *clock) {
		key := keytest.RSA(t, 0)
		first := key.Certificate(t)
		_, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "A"}, first)
		must(t, err)
		_, err = r.AddCertificate(t.Context(), audittest.By, "A", first)
		wantErr(t, "same certificate again", err, keymgr.ErrExists)
		renewed := key.Certificate(t)
		_, err = r.AddCertificate(t.Context(), audittest.By, "A", renewed)
		if err != nil {
			t.Errorf("another certificate of the same key: %v", err)
		}
		for _, certificate := range [][]byte{first, renewed, key.Certificate(t)} {
			_, err = r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "B"}, certificate)
			wantErr(t, "key of another partner", err, keymgr.ErrKeyInUse)
		}
		_, err = r.Get(t.Context(), "B")
		wantErr(t, "get after refusal", err, keymgr.ErrNotFound)
		other := keymgr.NewRegister(r.Database(), "another-application", audittest.New(t, r.Database()), time.Now)
		_, err = other.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "A"}, key.Certificate(t))
		wantErr(t, "key of a partner of another application", err, keymgr.ErrKeyInUse)
	})
}

// Whoever has the private half of a key has that of its variants too, so they are one key: another exponent of an RSA
// modulus, and the negated point of a curve.
func TestVariantsOfAKeyAreOneKey(t *testing.T) {
	variants := func(t *testing.T) map[string][2][]byte {
		first := keytest.RSA(t, 0).Signer.(*rsa.PrivateKey)
		second := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: first.N, E: 65539}, Primes: first.Primes}
		phi := big.NewInt(1)
		for _, prime := range first.Primes {
			phi.Mul(phi, new(big.Int).Sub(prime, big.NewInt(1)))
		}
		if second.D = new(big.Int).ModInverse(big.NewInt(65539), phi); second.D == nil {
			t.Fatal("unlucky primes")
		}
		curve := elliptic.P256()
		point := keytest.EC(t).Signer.(*ecdsa.PrivateKey)
		scalar, err := point.Bytes()
		must(t, err)
		negated := new(big.Int).SetBytes(scalar)
		opposite, err := ecdsa.ParseRawPrivateKey(curve, negated.Sub(curve.Params().N, negated).FillBytes(make([]byte, 32)))
		must(t, err)
		return map[string][2][]byte{
			"RSA exponent": {issue(t, nil, first.Public(), first), issue(t, nil, second.Public(), second)},
			"EC point":     {issue(t, nil, point.Public(), point), issue(t, nil, opposite.Public(), opposite)},
		}
	}
	eachRegister(t, func(t *testing.T, r *keymgr.Register, _ *clock) {
		for what, pair := range variants(t) {
			id := "P" + what[:1]
			p, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: id}, pair[0])
			must(t, err)
			_, err = r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "OTHER"}, pair[1])
			wantErr(t, what+" of another partner", err, keymgr.ErrKeyInUse)
			must(t, r.RevokeCertificate(t.Context(), audittest.By, id, p.Certificates[0].Fingerprint))
			_, err = r.AddCertificate(t.Context(), audittest.By, id, pair[1])
			wantErr(t, what+" after the revocation", err, keymgr.ErrKeyRevoked)
		}
	})
}

func TestSameKeyOfferedAtOnce(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, _ *clock) {
		ids := []string{"A", "B", "C", "D"}
		errs := make(chan error, len(ids))
		for _, id := range ids {
			certificate := keytest.RSA(t, 0).Certificate(t)
			go func() {
				_, err := r.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: id}, certificate)
				errs <- err
			}()
		}
		won := 0
		for range ids {
			if err := <-errs; err == nil {
				won++
			} else {
				wantErr(t, "add", err, keymgr.ErrKeyInUse)
			}
		}
		if list, err := r.List(t.Context()); won != 1 || err != nil || len(list) != 1 {
			t.Errorf("%d partners got the key, %d are registered (%v), want 1", won, len(list), err)
		}
	})
}

func TestRevokedKeyNeverComesBack(t *testing.T) {
	eachRegister(t, func(t *testing.T, r *keymgr.Register, c *clock) {
		key := keytest.RSA(t, 0)
		p := key.Onboard(t, r, "A")
		_, err := r.AddCertificate(t.Context(), audittest.By, "A", key.Certificate(t))
		must(t, err)
		keytest.RSA(t, 1).Onboard(t, r, "B")
		print := p.Certificates[0].Fingerprint

		wantErr(t, "another partner's", r.RevokeCertificate(t.Context(), audittest.By, "B", print), keymgr.ErrNotFound)
		wantErr(t, "unknown", r.RevokeCertificate(t.Context(), audittest.By, "A", strings.Repeat("ab", 32)), keymgr.ErrNotFound)
		wantErr(t, "unknown partner", r.RevokeCertificate(t.Context(), audittest.By, "C", print), keymgr.ErrNotFound)
		for _, bad := range []string{"", "abc", print[:62], print + "00", "zz" + print[2:], print[:63] + "%"} {
			wantErr(t, bad, r.RevokeCertificate(t.Context(), audittest.By, "A", bad), keymgr.ErrInvalid)
		}

		must(t, r.RevokeCertificate(t.Context(), audittest.By, "A", withColons(strings.ToUpper(print))))
		revokedAt := c.now()
		c.advance(time.Minute)
		must(t, r.RevokeCertificate(t.Context(), audittest.By, "A", print)) // again: nothing changes
		p, err = r.Get(t.Context(), "A")
		must(t, err)
		for _, certificate := range p.Certificates {
			if !certificate.RevokedAt.Equal(revokedAt) {
				t.Errorf("certificate of the revoked key: revoked at %v, want %v", certificate.RevokedAt, revokedAt)
			}
		}
		_, err = r.AddCertificate(t.Context(), audittest.By, "A", key.Certificate(t))
		wantErr(t, "new certificate of the revoked key", err, keymgr.ErrKeyRevoked)
		wantErr(t, "activate with a revoked certificate", r.SetStatus(t.Context(), audittest.By, "A", keymgr.Active), keymgr.ErrNoCertificate)
		if p, err := r.Get(t.Context(), "B"); err != nil || !p.Certificates[0].RevokedAt.IsZero() {
			t.Errorf("the other partner: %+v, %v", p, err)
		}
	})
}

func withColons(hex string) string {
	var pairs []string
	for i := 0; i < len(hex); i += 2 {
		pairs = append(pairs, hex[i:i+2])
	}
	return strings.Join(pairs, ":")
}
