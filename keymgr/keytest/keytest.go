// Package keytest gives tests partners' keys, certificates and signatures. Keys are made once per process, because an RSA
// key takes a while; nothing outside tests imports it.
package keytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"
	"time"

	"spar/internal/audit/audittest"
	"spar/keymgr"
)

// Key is a partner's key pair.
type Key struct{ crypto.Signer }

var made = struct {
	sync.Mutex
	rsa map[int]Key
}{rsa: map[int]Key{}}

// RSA returns the process's RSA key of a number; a public key can belong to one partner only, so give each its own.
func RSA(tb testing.TB, number int) Key {
	tb.Helper()
	made.Lock()
	defer made.Unlock()
	if key, ok := made.rsa[number]; ok {
		return key
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	made.rsa[number] = Key{key}
	return made.rsa[number]
}

// EC makes a P-256 key.
func EC(tb testing.TB) Key {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return Key{key}
}

// Ed25519 makes an Ed25519 key.
func Ed25519(tb testing.TB) Key {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return Key{key}
}

// Certificate makes a self-signed certificate, valid for a day around now, as PEM.
func (k Key) Certificate(tb testing.TB) []byte {
	tb.Helper()
	return k.CertificateFor(tb, time.Now().Add(-time.Hour), time.Now().Add(23*time.Hour))
}

// CertificateFor makes a self-signed certificate for a time, as PEM.
func (k Key) CertificateFor(tb testing.TB, notBefore, notAfter time.Time) []byte {
	tb.Helper()
	der, err := keymgr.SelfSigned(k.Signer, "test partner", notBefore, notAfter)
	if err != nil {
		tb.Fatal(err)
	}
	return keymgr.CertificatePEM(der)
}

// Detached signs a body; the result goes into the Signature header.
func (k Key) Detached(tb testing.TB, body []byte) string {
	tb.Helper()
	return k.sign(tb, body, true)
}

// Full signs a body and repeats it in the token.
func (k Key) Full(tb testing.TB, body []byte) string {
	tb.Helper()
	return k.sign(tb, body, false)
}

func (k Key) sign(tb testing.TB, body []byte, detached bool) string {
	tb.Helper()
	signature, err := keymgr.Sign(k.Signer, body, detached)
	if err != nil {
		tb.Fatal(err)
	}
	return signature
}

// Onboard registers an active partner with a certificate of the key.
func (k Key) Onboard(tb testing.TB, register *keymgr.Register, reference string, permissions ...keymgr.Permission) keymgr.Partner {
	tb.Helper()
	p, err := register.Add(tb.Context(), audittest.By, keymgr.Partner{
		ReferenceID: reference, Name: reference, Status: keymgr.Active, Permissions: permissions,
	}, k.Certificate(tb))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}
