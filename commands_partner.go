package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/keymgr"
)

type partnerCommand struct {
	Add         partnerAddCommand         `cmd:"" help:"Register a partner with its certificate, and activate it."`
	List        partnerListCommand        `cmd:"" help:"List all partners."`
	Show        partnerShowCommand        `cmd:"" help:"Show one partner and its certificates."`
	Suspend     partnerSuspendCommand     `cmd:"" help:"Refuse everything a partner sends, from now on."`
	Activate    partnerActivateCommand    `cmd:"" help:"Accept what a partner sends, from now on."`
	Permit      partnerPermitCommand      `cmd:"" help:"Replace what a partner may do."`
	Limit       partnerLimitCommand       `cmd:"" help:"Change how much a partner may ask for."`
	Pending     partnerPendingCommand     `cmd:"" help:"List what waits for another person's approval."`
	Approve     partnerApproveCommand     `cmd:"" help:"Approve what another person prepared."`
	Withdraw    partnerWithdrawCommand    `cmd:"" help:"Give up what somebody prepared."`
	Certificate partnerCertificateCommand `cmd:"" help:"Add or revoke a partner's certificates."`
}

type partnerCertificateCommand struct {
	Add    certificateAddCommand    `cmd:"" help:"Add a certificate, which replaces the older ones after an overlap."`
	Upload certificateUploadCommand `cmd:"" help:"Give a certificate to the MOSIP Key Manager, in the place of the one it has."`
	Revoke certificateRevokeCommand `cmd:"" help:"Revoke a certificate, for ever."`
}

// withRegister runs do on the register of the configured database, to look at it.
func (c *console) withRegister(do func(*keymgr.Register) error) error {
	return c.withDatabase(func(cfg Config, db *sqlx.DB) error {
		register, err := cfg.register(db, nil)
		if err != nil {
			return err
		}
		return do(register)
	})
}

// changeRegister is withRegister to change it, which is audited.
func (c *console) changeRegister(do func(*keymgr.Register) error) error {
	return c.withDatabase(func(cfg Config, db *sqlx.DB) error {
		trail, err := c.openTrail(cfg, db)
		if err != nil {
			return err
		}
		register, err := cfg.register(db, trail)
		if err != nil {
			return err
		}
		return do(register)
	})
}

// permissionList is a --permit flag: a comma-separated list in which a slip is a wrong use of the command.
type permissionList []string

func (l permissionList) permissions() ([]keymgr.Permission, error) {
	var list []keymgr.Permission
	for _, name := range l {
		if name == "" {
			continue // --permit "" takes every permission away
		}
		permission := keymgr.Permission(strings.TrimSpace(name))
		known := false
		for _, p := range keymgr.AllPermissions() {
			known = known || p == permission
		}
		if !known {
			return nil, usageError{fmt.Sprintf("--permit: unknown permission %.40q; expected some of resolve, details, link, update, unlink", name)}
		}
		list = append(list, permission)
	}
	return list, nil
}

type partnerAddCommand struct {
	Reference   string         `arg:"" name:"reference-id" help:"The partner's name in the key manager, such as PARTNER-A."`
	Name        string         `help:"The partner's name for people." placeholder:"TEXT"`
	Certificate string         `help:"PEM file of its certificate, and of its issuers behind it; required unless --draft." placeholder:"FILE"`
	Algorithm   string         `help:"What it signs with: PS256 in place of RS256 for an RSA key." placeholder:"ALG"`
	Permit      permissionList `help:"What it may do: resolve, details, link, update, unlink." placeholder:"LIST"`
	CallbackURL string         `name:"callback-url" help:"Where its asynchronous answers go." placeholder:"URL"`
	FAProvider  []string       `name:"fa-provider" help:"Bank or wallet whose addresses it may change; repeat for more. Any, if not given." placeholder:"CODE"`
	Draft       bool           `help:"Register only; spar partner activate follows."`

	limitFlags
}

func (partnerAddCommand) Help() string {
	return `Example: spar partner add PARTNER-A --name "Bank A" --certificate cert.pem --permit resolve,details`
}

func (a partnerAddCommand) Run(c *console) error {
	permissions, err := a.Permit.permissions()
	if err != nil {
		return err
	}
	limits, _, err := a.over(keymgr.Limits{})
	if err != nil {
		return err
	}
	if a.Certificate == "" && !a.Draft {
		return usageError{"--certificate is missing; only a partner added with --draft can do without"}
	}
	var certificate []byte
	if a.Certificate != "" {
		if certificate, err = os.ReadFile(a.Certificate); err != nil {
			return fmt.Errorf("read certificate: %w", err)
		}
	}
	status := keymgr.Active
	if a.Draft {
		status = keymgr.Draft
	}
	return c.changeRegister(func(register *keymgr.Register) error {
		waits := status == keymgr.Active && register.WantsTwoPersons()
		if waits {
			status = keymgr.Draft
		}
		partner, err := register.Add(c.ctx, c.actor(), keymgr.Partner{
			ReferenceID: a.Reference, Name: a.Name, Status: status, Permissions: permissions,
			CallbackURL: a.CallbackURL, FAProviders: a.FAProvider, Limits: limits,
		}, certificate, keymgr.As(a.Algorithm))
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s is registered (%s)\n", partner.ReferenceID, partner.Status)
		for _, held := range partner.Certificates {
			c.printAddedCertificate(held)
			if err := c.handOver(register, partner.ReferenceID, held); err != nil {
				return err
			}
		}
		if waits {
			_, err = c.prepare(register, keymgr.ErrNeedsApproval, keymgr.Change{Reference: partner.ReferenceID, Kind: keymgr.ChangeActivate})
		}
		return err
	})
}

type partnerSuspendCommand struct {
	Reference string `arg:"" name:"reference-id" help:"The partner."`
}

func (partnerSuspendCommand) Help() string { return "Example: spar partner suspend PARTNER-A" }

func (s partnerSuspendCommand) Run(c *console) error {
	return c.setStatus(s.Reference, keymgr.Suspended)
}

type partnerActivateCommand struct {
	Reference string `arg:"" name:"reference-id" help:"The partner."`
}

func (partnerActivateCommand) Help() string { return "Example: spar partner activate PARTNER-A" }

func (a partnerActivateCommand) Run(c *console) error { return c.setStatus(a.Reference, keymgr.Active) }

func (c *console) setStatus(reference string, status keymgr.Status) error {
	return c.changeRegister(func(register *keymgr.Register) error {
		err := register.SetStatus(c.ctx, c.actor(), reference, status)
		if prepared, err := c.prepare(register, err, keymgr.Change{Reference: reference, Kind: keymgr.ChangeActivate}); prepared || err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s is %s\n", reference, status)
		return nil
	})
}

type partnerPermitCommand struct {
	Reference string         `arg:"" name:"reference-id" help:"The partner."`
	Permit    permissionList `required:"" help:"What it may do from now on: resolve, details, link, update, unlink." placeholder:"LIST"`
}

func (partnerPermitCommand) Help() string {
	return "Example: spar partner permit PARTNER-A --permit resolve,details,link"
}

func (p partnerPermitCommand) Run(c *console) error {
	permissions, err := p.Permit.permissions()
	if err != nil {
		return err
	}
	return c.changeRegister(func(register *keymgr.Register) error {
		err := register.Permit(c.ctx, c.actor(), p.Reference, permissions)
		if errors.Is(err, keymgr.ErrNeedsApproval) {
			return c.preparePermit(register, p.Reference, permissions)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s may: %s\n", p.Reference, listed(permissions))
		return nil
	})
}

func (c *console) preparePermit(register *keymgr.Register, reference string, permissions []keymgr.Permission) error {
	partner, err := register.Get(c.ctx, reference)
	if err != nil {
		return err
	}
	settings := partner.Settings()
	settings.Permissions = permissions
	_, err = c.prepare(register, keymgr.ErrNeedsApproval, keymgr.Change{Reference: reference, Kind: keymgr.ChangeConfigure, Settings: settings})
	return err
}

type certificateAddCommand struct {
	Reference   string `arg:"" name:"reference-id" help:"The partner."`
	Certificate string `required:"" help:"PEM file of the certificate, and of its issuers behind it." placeholder:"FILE"`
	Algorithm   string `help:"What it signs with: PS256 in place of RS256 for an RSA key." placeholder:"ALG"`
	Overlap     span   `default:"7d" help:"How long the older certificates are accepted beside it, at most 30d; 0 ends them at once." placeholder:"7d"`
	Keep        bool   `help:"Leave the older certificates as they are."`
}

// span is a duration in days or as Go has it.
type span time.Duration

// UnmarshalText reads 7d or 36h.
func (s *span) UnmarshalText(text []byte) error {
	d, err := parseDuration(string(text))
	if err != nil {
		return errors.New("expected a duration such as 7d or 36h")
	}
	*s = span(d)
	return nil
}

func (a certificateAddCommand) options() []keymgr.CertificateOption {
	if a.Keep {
		return []keymgr.CertificateOption{keymgr.As(a.Algorithm), keymgr.Beside()}
	}
	return []keymgr.CertificateOption{keymgr.As(a.Algorithm), keymgr.WithOverlap(time.Duration(a.Overlap))}
}

func (certificateAddCommand) Help() string {
	return "Example: spar partner certificate add PARTNER-A --certificate new.pem --overlap 14d"
}

func (a certificateAddCommand) Run(c *console) error {
	certificate, err := os.ReadFile(a.Certificate)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	return c.changeRegister(func(register *keymgr.Register) error {
		added, err := register.AddCertificate(c.ctx, c.actor(), a.Reference, certificate, a.options()...)
		if prepared, err := c.prepare(register, err, keymgr.Change{
			Reference: a.Reference, Kind: keymgr.ChangeCertificate, Certificate: certificate,
			Algorithm: a.Algorithm, Overlap: time.Duration(a.Overlap), Beside: a.Keep,
		}); prepared || err != nil {
			return err
		}
		c.printAddedCertificate(added)
		return c.handOver(register, a.Reference, added)
	})
}

type certificateRevokeCommand struct {
	Reference   string `arg:"" name:"reference-id" help:"The partner."`
	Fingerprint string `required:"" help:"SHA-256 of the certificate in hex; colons are allowed." placeholder:"SHA256"`
}

func (certificateRevokeCommand) Help() string {
	return "Example: spar partner certificate revoke PARTNER-A --fingerprint 3B:A1:…"
}

func (r certificateRevokeCommand) Run(c *console) error {
	return c.changeRegister(func(register *keymgr.Register) error {
		if err := register.RevokeCertificate(c.ctx, c.actor(), r.Reference, r.Fingerprint); err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "the certificate of %s is revoked\n", r.Reference)
		return nil
	})
}

// printAddedCertificate shows what the operator compares with the partner by phone.
func (c *console) printAddedCertificate(held keymgr.Certificate) {
	fmt.Fprintf(c.stdout, "certificate SHA-256 %s, %s, valid %s to %s\n",
		colons(held.Fingerprint), held.Algorithm, held.NotBefore.Format(time.DateOnly), held.NotAfter.Format(time.DateOnly))
}
