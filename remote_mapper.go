package main

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"spar/handlers"
	"spar/keymgr"
	"spar/mapper"
	"spar/mapper/remote"
)

const portalCertificateFile = "portal-certificate.pem"

// portalMapper is all that the portal asks of a registry.
type portalMapper interface {
	mapper.Mapper
	handlers.History
	handlers.Lookups
	handlers.Reports
	handlers.Holds
}

// mapperOfThePortal is the service in this process, or a registry elsewhere that the portal calls like any partner.
func (a *app) mapperOfThePortal() (portalMapper, error) {
	if a.cfg.Mapper.URL == "" {
		return a.service, nil
	}
	key, err := keymgr.LoadKey(filepath.Join(a.cfg.Keys.Dir, portalKeyFile))
	if err != nil {
		return nil, fmt.Errorf("open the portal's key: %w", err)
	}
	if err := a.handOutCertificate(key); err != nil {
		return nil, fmt.Errorf("write the portal's certificate: %w", err)
	}
	return remote.New(remote.Options{
		URL: a.cfg.Mapper.URL, SenderID: handlers.SelfService, Now: time.Now, ErrUnknown: keymgr.ErrUnknownKey,
		Sign:      func(body []byte) (string, error) { return keymgr.Sign(key, body, true) },
		ParseKeys: func(jwks []byte) (remote.Published, error) { return keymgr.ParseJWKS(jwks) },
	})
}

// handOutCertificate leaves the portal's certificate beside its key, for whoever onboards it at the registry.
func (a *app) handOutCertificate(key crypto.Signer) error {
	path := filepath.Join(a.cfg.Keys.Dir, portalCertificateFile)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	partner, err := a.register.Get(context.Background(), handlers.SelfService)
	if err != nil {
		return err
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return errors.New("the portal's key cannot be compared")
	}
	for _, held := range partner.Certificates {
		certificate, err := x509.ParseCertificate(held.DER)
		if err != nil || !held.RevokedAt.IsZero() || !public.Equal(certificate.PublicKey) {
			continue
		}
		a.log.Warn("the portal's certificate must be onboarded at the registry: spar partner certificate add "+handlers.SelfService, "file", path)
		return os.WriteFile(path, keymgr.CertificatePEM(held.DER), 0o644)
	}
	return errors.New("the portal has no certificate")
}
