package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"spar/internal/audit"
	"spar/keymgr"
)

// SampleBank is the reference id of the partner that the ready-to-paste call is signed by.
const SampleBank = "PARTNER-A"

const certificateLifetime = 800 * 24 * time.Hour // within the policy of everybody

// samplePartners are the systems that the demo onboards. What they may do differs on purpose: one may do everything,
// one only ask, and one was suspended and may do nothing.
func samplePartners() []keymgr.Partner {
	return []keymgr.Partner{
		{ReferenceID: "FAMILY-GRANTS", Name: "Family Grants Programme", Status: keymgr.Active,
			Permissions: []keymgr.Permission{keymgr.Resolve}},
		{ReferenceID: "PARTNER-B", Name: "Sample Bank B", Status: keymgr.Suspended, FAProviders: []string{"HARBVALE"},
			Permissions: []keymgr.Permission{keymgr.Resolve, keymgr.Link, keymgr.Update, keymgr.Unlink}},
		{ReferenceID: SampleBank, Name: "Sample Bank A", Status: keymgr.Active,
			Permissions: []keymgr.Permission{keymgr.Resolve, keymgr.Details, keymgr.Link, keymgr.Update, keymgr.Unlink}},
	}
}

// partnerFolder is where a sample partner keeps its key.pem and certificate.pem.
func partnerFolder(dir, reference string) string { return filepath.Join(dir, "partners", reference) }

// onboard makes sure that a sample partner has its key and certificate on disk, and that the register knows both. What
// somebody changed in the register since the first start, stays changed: a revoked certificate stays revoked.
func onboard(ctx context.Context, register *keymgr.Register, dir string, p keymgr.Partner, now time.Time) error {
	certificate, fingerprint, err := partnerCertificate(partnerFolder(dir, p.ReferenceID), p.ReferenceID, now)
	if err != nil {
		return fmt.Errorf("prepare demo partner %s: %w", p.ReferenceID, err)
	}
	by := audit.Actor{Kind: audit.System, ID: "demo"}
	known, err := register.Get(ctx, p.ReferenceID)
	switch {
	case errors.Is(err, keymgr.ErrNotFound):
		_, err = register.Add(ctx, by, p, certificate)
	case err == nil && !hasCertificate(known, fingerprint):
		_, err = register.AddCertificate(ctx, by, p.ReferenceID, certificate)
	}
	if err != nil {
		return fmt.Errorf("onboard demo partner %s: %w", p.ReferenceID, err)
	}
	return nil
}

func hasCertificate(p keymgr.Partner, fingerprint string) bool {
	return slices.ContainsFunc(p.Certificates, func(c keymgr.Certificate) bool { return c.Fingerprint == fingerprint })
}

// partnerCertificate reads, or makes, the certificate of the key in a folder, as a partner would with openssl. One that
// cannot be used any more, or belongs to a key that is gone, is made anew.
func partnerCertificate(folder, name string, now time.Time) (text []byte, fingerprint string, err error) {
	key, created, err := keymgr.LoadOrCreateKey(filepath.Join(folder, "key.pem"))
	if err != nil {
		return nil, "", err
	}
	path := filepath.Join(folder, "certificate.pem")
	if text, err = os.ReadFile(path); err == nil && !created {
		if kept, err := keymgr.ParseCertificate(text, now); err == nil {
			return text, kept.Fingerprint, nil
		}
	}
	der, err := keymgr.SelfSigned(key, name, now.Add(-time.Minute), now.Add(certificateLifetime))
	if err != nil {
		return nil, "", err
	}
	text = keymgr.CertificatePEM(der)
	made, err := keymgr.ParseCertificate(text, now)
	if err != nil {
		return nil, "", err
	}
	// For everybody to read: it is what a partner hands out.
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return nil, "", fmt.Errorf("write certificate: %w", err)
	}
	return text, made.Fingerprint, nil
}
