package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"spar/handlers"
	"spar/internal/audit"
	"spar/keymgr"
)

const (
	portalKeyFile = "portal.pem"

	portalCertificateLifetime = 800 * 24 * time.Hour // a registry elsewhere accepts no more than its policy allows
	portalCertificateRenewal  = 90 * 24 * time.Hour  // this long before its end, a start makes the next one
)

// openPortalKey makes sure that the portal's key is there and that the register knows it. The first start creates both;
// later a missing or foreign key is an error, for it is one somebody lost or exchanged.
func openPortalKey(ctx context.Context, register *keymgr.Register, path string, now time.Time) (created bool, err error) {
	partner, err := register.Get(ctx, handlers.SelfService)
	known := hasUsableCertificate(partner) // without one the operator revoked it, and a new key may take its place
	if err != nil && !errors.Is(err, keymgr.ErrNotFound) {
		return false, err
	}
	var key crypto.Signer
	if known {
		if key, err = keymgr.LoadKey(path); err != nil {
			return false, fmt.Errorf("open the portal's key, which is registered as partner %s: restore it from the backup: %w", handlers.SelfService, err)
		}
	} else if key, created, err = keymgr.LoadOrCreateKey(path); err != nil {
		return false, fmt.Errorf("create the portal's key: %w", err)
	}
	ends, ours := portalCertificateEnd(partner, key)
	if known && !ours {
		return false, fmt.Errorf("%s is not the key that partner %s is registered with: restore it from the backup", path, handlers.SelfService)
	}
	if known && ends.Sub(now) > portalCertificateRenewal {
		return created, nil
	}
	certificate, err := keymgr.SelfSigned(key, handlers.SelfService, now.Add(-time.Minute), now.Add(portalCertificateLifetime))
	if err != nil {
		return created, err
	}
	by := audit.Actor{Kind: audit.System}
	if partner.ReferenceID != "" {
		_, err = register.AddCertificate(ctx, by, handlers.SelfService, certificate, keymgr.Beside())
	} else {
		_, err = register.Add(ctx, by, keymgr.Partner{
			ReferenceID: handlers.SelfService, Name: "SPAR self-service portal", Status: keymgr.Active,
			Permissions: []keymgr.Permission{keymgr.Resolve, keymgr.Details, keymgr.Link, keymgr.Update, keymgr.Unlink},
		}, certificate)
	}
	if err != nil {
		return created, fmt.Errorf("register the portal as a partner: %w", err)
	}
	return created, nil
}

func hasUsableCertificate(partner keymgr.Partner) bool {
	return slices.ContainsFunc(partner.Certificates, func(c keymgr.Certificate) bool { return c.RevokedAt.IsZero() })
}

// portalCertificateEnd finds when the last unrevoked certificate of the key ends, and whether there is one.
func portalCertificateEnd(partner keymgr.Partner, key crypto.Signer) (ends time.Time, found bool) {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return ends, false
	}
	for _, held := range partner.Certificates {
		certificate, err := x509.ParseCertificate(held.DER)
		if err == nil && held.RevokedAt.IsZero() && public.Equal(certificate.PublicKey) {
			found = true
			if held.End().After(ends) {
				ends = held.End()
			}
		}
	}
	return ends, found
}
