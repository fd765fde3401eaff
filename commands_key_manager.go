package main

import (
	"fmt"
	"time"

	"spar/keymgr"
	"spar/keymgr/mosip"
)

type certificateUploadCommand struct {
	Reference   string `arg:"" name:"reference-id" help:"The partner."`
	Fingerprint string `help:"SHA-256 of the certificate in hex; the newest valid one if not given." placeholder:"SHA256"`
}

func (certificateUploadCommand) Help() string {
	return `Example: spar partner certificate upload PARTNER-A

The key manager uses one certificate of a partner at a time: upload the next one at the moment the partner begins to sign
with it. Doing it again is harmless.`
}

func (u certificateUploadCommand) Run(c *console) error {
	return c.changeRegister(func(register *keymgr.Register) error {
		manager, err := c.keyManager(register)
		if err != nil {
			return err
		}
		if manager == nil {
			return fmt.Errorf("there is no key manager to upload to: key_manager.mode is %s", keyManagerLocal)
		}
		uploaded, err := manager.Upload(c.ctx, c.actor(), u.Reference, u.Fingerprint)
		if err != nil {
			return err
		}
		c.printUploaded(manager, uploaded)
		return nil
	})
}

// keyManager is the key manager elsewhere that the configuration names, nil if it names none.
func (c *console) keyManager(register *keymgr.Register) (*mosip.KeyManager, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	return newKeyManager(cfg, register, keymgr.NewLocal(register), nil)
}

func (c *console) printUploaded(manager *mosip.KeyManager, uploaded mosip.Uploaded) {
	fmt.Fprintf(c.stdout, "certificate SHA-256 %s is in the key manager, which stops using it on %s, %d days before its end\n",
		colons(uploaded.Certificate.Fingerprint), uploaded.StopsAt.Format(time.DateOnly), manager.PreExpireDays)
}

// handOver gives a partner's new certificate to the key manager elsewhere, if there is one. Where that has one of the
// partner already, it is only said how: the upload would end the old one at once.
func (c *console) handOver(register *keymgr.Register, reference string, added keymgr.Certificate) error {
	manager, err := c.keyManager(register)
	if manager == nil || err != nil {
		return err
	}
	command := "spar partner certificate upload " + reference + " --fingerprint " + added.Fingerprint
	uploaded, handed, err := manager.HandOver(c.ctx, c.actor(), reference, added.Fingerprint)
	switch {
	case err != nil:
		return fmt.Errorf("the certificate is registered here but did not reach the key manager, so the partner's calls are refused: %w\nrepeat with: %s", err, command)
	case handed:
		c.printUploaded(manager, uploaded)
	default:
		fmt.Fprintf(c.stdout, "the key manager still uses the certificate before it; when the partner signs with this one, run:\n%s\n", command)
	}
	return nil
}

// elsewhere is what a key manager elsewhere has of a partner; nil if there is no key manager.
type elsewhere struct {
	manager     *mosip.KeyManager
	fingerprint string // empty if it has nothing
}

func (c *console) heldElsewhere(register *keymgr.Register, reference string) (*elsewhere, error) {
	manager, err := c.keyManager(register)
	if manager == nil || err != nil {
		return nil, err
	}
	fingerprint, err := register.HeldBy(c.ctx, manager.Holder(), reference)
	return &elsewhere{manager, fingerprint}, err
}

// has reports whether the key manager has a certificate; nil if there is no key manager.
func (e *elsewhere) has(c keymgr.Certificate) *bool {
	if e == nil {
		return nil
	}
	has := e.fingerprint == c.Fingerprint
	return &has
}

func (e *elsewhere) describe(c keymgr.Certificate) string {
	switch {
	case e == nil:
		return ""
	case e.fingerprint != c.Fingerprint:
		return ", not in the key manager"
	}
	return ", in the key manager, which stops using it on " + e.manager.StopsAt(c).Format(time.DateOnly)
}
