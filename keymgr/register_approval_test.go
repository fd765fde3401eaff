package keymgr_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/migrations/dbtest"
)

func staff(name string) audit.Actor { return audit.Actor{Kind: audit.Staff, ID: "staff:" + name} }

// office is a register that wants two persons, with PARTNER-A active.
type office struct {
	*keymgr.Register
	trail *audit.Log
	clock *clock
}

func eachOffice(t *testing.T, test func(t *testing.T, o office)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c, trail := newClock(), audittest.New(t, db)
		keytest.RSA(t, 0).Onboard(t, keymgr.NewRegister(db, application, trail, c.now), "PARTNER-A", keymgr.Resolve, keymgr.Details)
		test(t, office{keymgr.NewRegister(db, application, trail, c.now, keymgr.WithTwoPersons(true)), trail, c})
	})
}

func (o office) prepare(t *testing.T, by audit.Actor, c keymgr.Change) keymgr.Prepared {
	t.Helper()
	prepared, err := o.Prepare(t.Context(), by, c)
	must(t, err)
	return prepared
}

func (o office) partner(t *testing.T, reference string) keymgr.Partner {
	t.Helper()
	p, err := o.Get(t.Context(), reference)
	must(t, err)
	return p
}

func TestTwoPersonsActivate(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		ann, bob := staff("ann"), staff("bob")
		certificate := keytest.RSA(t, 1).Certificate(t)
		_, err := o.Add(t.Context(), ann, keymgr.Partner{ReferenceID: "B", Status: keymgr.Active}, certificate)
		wantErr(t, "add active", err, keymgr.ErrNeedsApproval)
		_, err = o.Add(t.Context(), ann, keymgr.Partner{ReferenceID: "B"}, certificate)
		must(t, err)
		wantErr(t, "activate", o.SetStatus(t.Context(), ann, "B", keymgr.Active), keymgr.ErrNeedsApproval)

		prepared := o.prepare(t, ann, keymgr.Change{Reference: "B", Kind: keymgr.ChangeActivate})
		if got := o.partner(t, "B").Status; got != keymgr.Draft {
			t.Errorf("prepared: %s", got)
		}
		_, err = o.Approve(t.Context(), ann, prepared.ID)
		wantErr(t, "by the same person", err, keymgr.ErrSamePerson)
		if pending, err := o.Pending(t.Context(), ""); err != nil || len(pending) != 1 || pending[0].ID != prepared.ID || pending[0].PreparedBy.ID != ann.ID {
			t.Errorf("pending: %+v, %v", pending, err)
		}
		approved, err := o.Approve(t.Context(), bob, prepared.ID)
		must(t, err)
		if got := o.partner(t, "B").Status; got != keymgr.Active || approved.Kind != keymgr.ChangeActivate || approved.Reference != "B" {
			t.Errorf("approved %+v: %s", approved, got)
		}
		_, err = o.Approve(t.Context(), bob, prepared.ID)
		wantErr(t, "again", err, keymgr.ErrDecided)
		if pending, err := o.Pending(t.Context(), "B"); err != nil || len(pending) != 0 {
			t.Errorf("pending: %+v, %v", pending, err)
		}
		events, err := o.trail.List(t.Context(), audit.Filter{Target: "B"})
		must(t, err)
		i := slices.IndexFunc(events, func(e audit.Entry) bool { return e.Action == audit.PartnerActivate })
		if i < 0 || events[i].Actor.ID != bob.ID || events[i].Detail["prepared_by"] != ann.String() || events[i].Detail["change"] != prepared.ID {
			t.Errorf("audit: %+v", events)
		}
	})
}

// Whoever prepared something may not show one partner to who approves it and put another into force.
func TestStaleChangeIsRecognised(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		ann := staff("ann")
		_, err := o.Add(t.Context(), ann, keymgr.Partner{ReferenceID: "B", Permissions: keymgr.AllPermissions()}, keytest.RSA(t, 1).Certificate(t))
		must(t, err)
		o.prepare(t, ann, keymgr.Change{Reference: "B", Kind: keymgr.ChangeActivate})
		for _, step := range []struct {
			permissions []keymgr.Permission
			stale       bool
		}{{keymgr.AllPermissions(), false}, {[]keymgr.Permission{keymgr.Resolve}, true}, {keymgr.AllPermissions(), false}} {
			must(t, o.Permit(t.Context(), ann, "B", step.permissions))
			pending, err := o.Pending(t.Context(), "B")
			must(t, err)
			if got := pending[0].Stale(o.partner(t, "B")); got != step.stale {
				t.Errorf("with %v: stale %t", step.permissions, got)
			}
		}
	})
}

// What stands around a certificate, a private key without its markers perhaps, is not kept.
func TestPreparedCertificateIsKeptAlone(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		certificate := keytest.RSA(t, 1).Certificate(t)
		prepared := o.prepare(t, staff("ann"), keymgr.Change{
			Reference: "PARTNER-A", Kind: keymgr.ChangeCertificate, Certificate: append(slices.Clone(certificate), "something secret"...),
		})
		if string(prepared.Certificate) != string(certificate) {
			t.Errorf("kept: %s", prepared.Certificate)
		}
	})
}

// Whoever approves an activation has looked at one partner; it must not be another by then.
func TestApprovalIsOfWhatWasPrepared(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		ann, bob := staff("ann"), staff("bob")
		p, err := o.Add(t.Context(), ann, keymgr.Partner{ReferenceID: "B", Permissions: []keymgr.Permission{keymgr.Resolve}}, keytest.RSA(t, 1).Certificate(t))
		must(t, err)
		for _, change := range []struct {
			what string
			make func() error
		}{
			{"permissions", func() error { return o.Permit(t.Context(), ann, "B", []keymgr.Permission{keymgr.Link}) }},
			{"certificate", func() error {
				_, err := o.AddCertificate(t.Context(), ann, "B", keytest.RSA(t, 2).Certificate(t))
				return err
			}},
			// After the second certificate: a partner without any cannot be activated at all.
			{"revocation", func() error { return o.RevokeCertificate(t.Context(), ann, "B", p.Certificates[0].Fingerprint) }},
			{"settings", func() error {
				now := o.partner(t, "B")
				s := now.Settings()
				s.CallbackURL = "https://evil.example/"
				return o.Configure(t.Context(), ann, "B", s, now.ChangedAt)
			}},
		} {
			prepared := o.prepare(t, ann, keymgr.Change{Reference: "B", Kind: keymgr.ChangeActivate})
			o.clock.advance(time.Millisecond)
			must(t, change.make()) // it is a draft: one person is enough
			_, err := o.Approve(t.Context(), bob, prepared.ID)
			wantErr(t, change.what, err, keymgr.ErrStale)
			must(t, o.Withdraw(t.Context(), bob, prepared.ID))
		}
		if got := o.partner(t, "B").Status; got != keymgr.Draft {
			t.Errorf("status: %s", got)
		}
	})
}

func TestTwoPersonsConfigure(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		ann, bob := staff("ann"), staff("bob")
		more := []keymgr.Permission{keymgr.Resolve, keymgr.Details, keymgr.Link}
		wantErr(t, "more", o.Permit(t.Context(), ann, "PARTNER-A", more), keymgr.ErrNeedsApproval)
		must(t, o.Permit(t.Context(), ann, "PARTNER-A", []keymgr.Permission{keymgr.Resolve})) // less needs nobody
		s := o.partner(t, "PARTNER-A").Settings()
		s.CallbackURL = "https://bank.example/"
		wantErr(t, "callback", o.Configure(t.Context(), ann, "PARTNER-A", s, o.partner(t, "PARTNER-A").ChangedAt), keymgr.ErrNeedsApproval)

		s.Permissions = more
		prepared := o.prepare(t, ann, keymgr.Change{Reference: "PARTNER-A", Kind: keymgr.ChangeConfigure, Settings: s})
		must(t, o.Permit(t.Context(), bob, "PARTNER-A", nil))
		_, err := o.Approve(t.Context(), bob, prepared.ID)
		wantErr(t, "of other settings than it has now", err, keymgr.ErrStale)
		prepared = o.prepare(t, ann, keymgr.Change{Reference: "PARTNER-A", Kind: keymgr.ChangeConfigure, Settings: s})
		_, err = o.Approve(t.Context(), bob, prepared.ID)
		must(t, err)
		if got := o.partner(t, "PARTNER-A"); !slices.Equal(got.Permissions, more) || got.CallbackURL != s.CallbackURL || got.Status != keymgr.Active {
			t.Errorf("got %+v", got)
		}
		s.CallbackURL = "ftp://bank.example"
		_, err = o.Prepare(t.Context(), ann, keymgr.Change{Reference: "PARTNER-A", Kind: keymgr.ChangeConfigure, Settings: s})
		wantErr(t, "bad settings", err, keymgr.ErrInvalid)
	})
}

func TestTwoPersonsAddCertificates(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		ann, bob := staff("ann"), staff("bob")
		certificate := keytest.RSA(t, 1).Certificate(t)
		_, err := o.AddCertificate(t.Context(), ann, "PARTNER-A", certificate)
		wantErr(t, "add", err, keymgr.ErrNeedsApproval)
		_, err = o.Prepare(t.Context(), ann, keymgr.Change{Reference: "PARTNER-A", Kind: keymgr.ChangeCertificate, Certificate: []byte("x")})
		wantErr(t, "no certificate", err, keymgr.ErrCertificate)
		_, err = o.Prepare(t.Context(), ann, keymgr.Change{Reference: "PARTNER-A", Kind: keymgr.ChangeCertificate, Certificate: certificate, Overlap: 31 * 24 * time.Hour})
		wantErr(t, "long overlap", err, keymgr.ErrInvalid)

		change := keymgr.Change{Reference: "PARTNER-A", Kind: keymgr.ChangeCertificate, Certificate: certificate, Algorithm: "PS256", Overlap: time.Hour}
		prepared := o.prepare(t, ann, change)
		o.clock.advance(time.Minute)
		_, err = o.Approve(t.Context(), bob, prepared.ID)
		must(t, err)
		p := o.partner(t, "PARTNER-A")
		if len(p.Certificates) != 2 || p.Certificates[1].Fingerprint != prepared.Fingerprint || p.Certificates[1].Algorithm != "PS256" ||
			!p.Certificates[0].ValidTo.Equal(o.clock.now().Add(time.Hour)) {
			t.Errorf("certificates: %+v", p.Certificates)
		}
		prepared = o.prepare(t, ann, keymgr.Change{Reference: "PARTNER-A", Kind: keymgr.ChangeCertificate, Certificate: keytest.RSA(t, 2).Certificate(t)})
		o.clock.advance(48 * time.Hour)
		_, err = o.Approve(t.Context(), bob, prepared.ID)
		wantErr(t, "expired by now", err, keymgr.ErrCertificate)
	})
}

func TestWhoMayApprove(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		must(t, o.SetStatus(t.Context(), staff("ann"), "PARTNER-A", keymgr.Suspended)) // at once
		change := keymgr.Change{Reference: "PARTNER-A", Kind: keymgr.ChangeActivate}
		command := audit.Actor{Kind: audit.Command, ID: "root"}
		prepared := o.prepare(t, command, change)
		for name, by := range map[string]audit.Actor{
			"another command":  {Kind: audit.Command, ID: "operator"},
			"the same command": command,
		} {
			_, err := o.Approve(t.Context(), by, prepared.ID)
			wantErr(t, name, err, keymgr.ErrSamePerson)
		}
		for name, by := range map[string]audit.Actor{
			"a partner": {Kind: audit.Partner, ID: "PARTNER-A"}, "the system": {Kind: audit.System}, "nobody": {}, "staff without a name": {Kind: audit.Staff},
		} {
			_, err := o.Approve(t.Context(), by, prepared.ID)
			wantErr(t, name, err, keymgr.ErrInvalid)
			_, err = o.Prepare(t.Context(), by, change)
			wantErr(t, name+" prepares", err, keymgr.ErrInvalid)
			wantErr(t, name+" withdraws", o.Withdraw(t.Context(), by, prepared.ID), keymgr.ErrInvalid)
		}
		_, err := o.Approve(t.Context(), staff("ann"), "nonsense")
		wantErr(t, "unknown", err, keymgr.ErrNotFound)
		wantErr(t, "withdraw unknown", o.Withdraw(t.Context(), staff("ann"), "nonsense"), keymgr.ErrNotFound)
		other := keymgr.NewRegister(o.Database(), "another-application", o.trail, o.clock.now)
		_, err = other.Approve(t.Context(), staff("ann"), prepared.ID)
		wantErr(t, "of another application", err, keymgr.ErrNotFound)
		_, err = o.Approve(t.Context(), staff("ann"), prepared.ID)
		must(t, err)
	})
}

func TestWithdrawnChangeIsGone(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		must(t, o.SetStatus(t.Context(), staff("ann"), "PARTNER-A", keymgr.Suspended))
		prepared := o.prepare(t, staff("ann"), keymgr.Change{Reference: "PARTNER-A", Kind: keymgr.ChangeActivate})
		must(t, o.Withdraw(t.Context(), staff("ann"), prepared.ID))
		_, err := o.Approve(t.Context(), staff("bob"), prepared.ID)
		wantErr(t, "approve", err, keymgr.ErrDecided)
		wantErr(t, "withdraw again", o.Withdraw(t.Context(), staff("bob"), prepared.ID), keymgr.ErrDecided)
	})
}

func TestPrepareRefuses(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		_, err := o.Add(t.Context(), staff("ann"), keymgr.Partner{ReferenceID: "EMPTY"}, nil)
		must(t, err)
		for name, c := range map[string]struct {
			change keymgr.Change
			want   error
		}{
			"unknown partner":  {keymgr.Change{Reference: "NOBODY", Kind: keymgr.ChangeActivate}, keymgr.ErrNotFound},
			"no certificate":   {keymgr.Change{Reference: "EMPTY", Kind: keymgr.ChangeActivate}, keymgr.ErrNoCertificate},
			"unknown kind":     {keymgr.Change{Reference: "EMPTY", Kind: "fly"}, keymgr.ErrInvalid},
			"unknown settings": {keymgr.Change{Reference: "EMPTY", Kind: keymgr.ChangeConfigure, Settings: keymgr.Settings{Permissions: []keymgr.Permission{"fly"}}}, keymgr.ErrInvalid},
		} {
			_, err := o.Prepare(t.Context(), staff("ann"), c.change)
			wantErr(t, name, err, c.want)
		}
	})
}

// Two approve at once, and one of them prepared it: it happens once, by the other.
func TestApprovedAtOnce(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		must(t, o.SetStatus(t.Context(), staff("ann"), "PARTNER-A", keymgr.Suspended))
		prepared := o.prepare(t, staff("ann"), keymgr.Change{Reference: "PARTNER-A", Kind: keymgr.ChangeActivate})
		people := []string{"ann", "bob", "cem", "dee"}
		errs := make(chan error, len(people))
		for _, name := range people {
			go func() {
				_, err := o.Approve(t.Context(), staff(name), prepared.ID)
				errs <- err
			}()
		}
		approved := 0
		for range people {
			switch err := <-errs; {
			case err == nil:
				approved++
			case !errors.Is(err, keymgr.ErrDecided) && !errors.Is(err, keymgr.ErrSamePerson):
				t.Error(err)
			}
		}
		if approved != 1 || o.partner(t, "PARTNER-A").Status != keymgr.Active {
			t.Errorf("approved %d times", approved)
		}
	})
}

// SPAR's own certificates are renewed without anybody.
func TestSystemNeedsNoApproval(t *testing.T) {
	eachOffice(t, func(t *testing.T, o office) {
		_, err := o.AddCertificate(t.Context(), audit.Actor{Kind: audit.System}, "PARTNER-A", keytest.RSA(t, 1).Certificate(t))
		must(t, err)
	})
}
