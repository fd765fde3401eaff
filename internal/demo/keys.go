package demo

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"fmt"

	"github.com/go-jose/go-jose/v4"

	"spar/keymgr"
)

// RSAKey reads the RSA key of a PEM file, and makes both where the file does not exist, so that a second start of the
// demo works with the keys of the first.
func RSAKey(path string) (*rsa.PrivateKey, error) {
	key, _, err := keymgr.LoadOrCreateKey(path)
	if err != nil {
		return nil, err
	}
	pair, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("private key %s: expected an RSA key", path)
	}
	return pair, nil
}

// KeyID is the RFC 7638 thumbprint of a public key: what the demo provider calls its own key and its clients' keys.
func KeyID(key crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: key}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("name demo key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
