package keymgr

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"strings"
	"sync"

	"filippo.io/edwards25519"
	"github.com/titanous/rocacheck"
)

const (
	// smallPrimes bounds the factors an RSA modulus is tried with. Keys that have one came from broken generators.
	smallPrimes = 1 << 16
	// fermatRounds is how far apart two primes may be and still be found by Fermat's method; generators that took the next
	// prime after the first one fall in the first rounds (CVE-2022-26320).
	fermatRounds = 110
)

// checkStrength judges a key that is of an allowed kind and size, as carefully as makes sense once, at onboarding: it
// takes milliseconds.
func (p Policy) checkStrength(public crypto.PublicKey) error {
	if err := p.checkKnown(public); err != nil {
		return err
	}
	switch key := public.(type) {
	case *rsa.PublicKey:
		return checkModulus(key)
	case *ecdsa.PublicKey:
		if _, err := key.ECDH(); err != nil {
			return Say("ec_point", "EC key is not a point on its curve")
		}
		return nil
	case ed25519.PublicKey:
		return checkEd25519(key)
	}
	return Say("key_kind", "key must be RSA, EC P-256 or Ed25519")
}

// checkKnown is the part that can change after onboarding: sizes come from the configuration, and keys become known.
func (p Policy) checkKnown(public crypto.PublicKey) error {
	if key, ok := public.(*rsa.PublicKey); ok {
		switch bits := key.N.BitLen(); {
		case bits < p.RSAMinBits:
			return Say("rsa_short", "RSA key must have at least %d bits, it has %d", p.RSAMinBits, bits)
		case bits > p.RSAMaxBits:
			return Say("rsa_long", "RSA key must have at most %d bits, it has %d", p.RSAMaxBits, bits)
		}
	}
	return p.KnownWeak.check(public)
}

func checkModulus(key *rsa.PublicKey) error {
	if prime := smallFactor(key.N); prime != 0 {
		return Say("rsa_divisible", "RSA key is weak: its modulus is divisible by %d", prime)
	}
	if rocacheck.IsWeak(key) {
		return Say("rsa_roca", "RSA key is weak: it was made by the faulty library of CVE-2017-15361 (ROCA)")
	}
	if closePrimes(key.N) {
		return Say("rsa_close", "RSA key is weak: its two primes are too close to each other")
	}
	if key.N.ProbablyPrime(0) {
		return Say("rsa_prime", "RSA key is weak: its modulus is a prime")
	}
	return nil
}

// smallFactor returns the smallest prime factor below smallPrimes, or 0.
func smallFactor(n *big.Int) int64 {
	var divisor, rest big.Int
	if product := oddPrimorial(); rest.GCD(nil, nil, n, divisor.Mod(product, n)).IsInt64() && rest.Int64() == 1 {
		return 0 // nearly all keys: one step in place of tens of thousands
	}
	for d := int64(3); d < smallPrimes; d += 2 { // composite divisors find nothing that their factors did not
		if rest.Mod(n, divisor.SetInt64(d)).Sign() == 0 {
			return d
		}
	}
	return 0
}

// oddPrimorial is the product of all odd primes below smallPrimes.
var oddPrimorial = sync.OnceValue(func() *big.Int {
	product := big.NewInt(1)
	composite := make([]bool, smallPrimes)
	for d := 3; d < smallPrimes; d += 2 {
		if composite[d] {
			continue
		}
		product.Mul(product, big.NewInt(int64(d)))
		for multiple := d * d; multiple < smallPrimes; multiple += 2 * d {
			composite[multiple] = true
		}
	}
	return product
})

// closePrimes factors n by Fermat's method for a few rounds: n = a² - b² = (a+b)(a-b) with a just above √n.
func closePrimes(n *big.Int) bool {
	var a, square, b, b2 big.Int
	a.Sqrt(n)
	if square.Mul(&a, &a).Cmp(n) < 0 {
		a.Add(&a, big.NewInt(1))
	}
	for range fermatRounds {
		b2.Sub(b2.Mul(&a, &a), n)
		if b.Sqrt(&b2); square.Mul(&b, &b).Cmp(&b2) == 0 {
			return true
		}
		a.Add(&a, big.NewInt(1))
	}
	return false
}

// checkEd25519 refuses keys that are no point, points in an encoding that they do not have, and points of small order,
// for which anybody can make signatures of any message.
func checkEd25519(key ed25519.PublicKey) error {
	point, err := new(edwards25519.Point).SetBytes(key)
	if err != nil || !bytes.Equal(point.Bytes(), key) {
		return Say("ed25519_point", "Ed25519 key is not a point on its curve")
	}
	if new(edwards25519.Point).MultByCofactor(point).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return Say("ed25519_small", "Ed25519 key is weak: it is a point of small order")
	}
	return nil
}

// authorityKey judges the key of an issuer, which may also be on the larger curves.
func (p Policy) authorityKey(public crypto.PublicKey) error {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if err := checkRSA(key); err != nil {
			return err
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() && key.Curve != elliptic.P521() {
			return Say("ec_curves", "EC key must be on P-256, P-384 or P-521, it is on %s", key.Curve.Params().Name)
		}
	}
	return p.checkStrength(public)
}

// WeakKeys is a list of keys whose private half is known to others.
type WeakKeys struct{ hashes map[string]struct{} }

// ReadWeakKeys reads a list with one key a line: the SHA-256 of its SubjectPublicKeyInfo in 64 hex digits, or, as in
// Debian's openssl-blacklist, the last 20 hex digits of the SHA-1 of what `openssl rsa -noout -modulus` prints. Empty
// lines and those that begin with # are skipped.
func ReadWeakKeys(from io.Reader) (*WeakKeys, error) {
	list := &WeakKeys{hashes: make(map[string]struct{})}
	lines := bufio.NewScanner(from)
	for number := 1; lines.Scan(); number++ {
		line := strings.ToLower(strings.TrimSpace(lines.Text()))
		if line == "" || line[0] == '#' {
			continue
		}
		if _, err := hex.DecodeString(line); err != nil || len(line) != 64 && len(line) != 20 {
			return nil, fmt.Errorf("line %d: expected 64 hex digits (SHA-256 of the public key) or 20 (openssl-blacklist)", number)
		}
		list.hashes[line] = struct{}{}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read list of weak keys: %w", err)
	}
	return list, nil
}

func (w *WeakKeys) check(public crypto.PublicKey) error {
	if w == nil {
		return nil
	}
	hash, err := spkiHash(public)
	if err != nil {
		return err
	}
	names := []string{hash}
	if key, ok := public.(*rsa.PublicKey); ok {
		sum := sha1.Sum(fmt.Appendf(nil, "Modulus=%X\n", key.N))
		names = append(names, hex.EncodeToString(sum[10:]))
	}
	for _, name := range names {
		if _, known := w.hashes[name]; known {
			return Say("known_key", "key is weak: it is on the list of known keys")
		}
	}
	return nil
}
