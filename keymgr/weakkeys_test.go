package keymgr_test

import (
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"spar/keymgr"
	"spar/keymgr/keytest"
)

// wantWeak checks that a key is refused although an honest authority certified it.
func wantWeak(t *testing.T, reason string, public any) {
	t.Helper()
	refuses(t, keymgr.ErrCertificate, reason, issue(t, nil, public, keytest.RSA(t, 0)))
}

func prime(t *testing.T, bits int) *big.Int {
	t.Helper()
	p, err := rand.Prime(rand.Reader, bits)
	must(t, err)
	return p
}

func nextPrime(after *big.Int) *big.Int {
	next := new(big.Int).Add(after, big.NewInt(2))
	for !next.ProbablyPrime(1) {
		next.Add(next, big.NewInt(2))
	}
	return next
}

func TestRejectsRSASmallFactors(t *testing.T) {
	for _, factor := range []int64{3, 751, 4093, 7919, 65521} {
		n := new(big.Int).Mul(prime(t, 2048), big.NewInt(factor))
		wantWeak(t, fmt.Sprintf("divisible by %d", factor), &rsa.PublicKey{N: n, E: 65537})
	}
}

func TestRejectsRSAClosePrimes(t *testing.T) {
	p := prime(t, 1024)
	next := nextPrime(p)
	wantWeak(t, "too close", &rsa.PublicKey{N: new(big.Int).Mul(p, next), E: 65537})
	wantWeak(t, "too close", &rsa.PublicKey{N: new(big.Int).Mul(p, p), E: 65537})
	// As far apart as 100 rounds reach: (p-q)²/4 / 2√n is about the number of rounds.
	apart := new(big.Int).Sqrt(new(big.Int).Mul(p, big.NewInt(8*90)))
	wantWeak(t, "too close", &rsa.PublicKey{N: new(big.Int).Mul(p, nextPrime(apart.Or(apart.Add(apart, p), big.NewInt(1)))), E: 65537})
}

func TestRejectsRSAPrimeModulus(t *testing.T) {
	wantWeak(t, "is a prime", &rsa.PublicKey{N: prime(t, 2048), E: 65537})
}

func TestRejectsRSALargeExponent(t *testing.T) {
	n := keytest.RSA(t, 0).Public().(*rsa.PublicKey).N
	for _, e := range []int{1<<31 + 1, 1<<33 + 1, 1 << 16} {
		wantWeak(t, "exponent", &rsa.PublicKey{N: n, E: e})
	}
}

// rocaPrime makes a prime like the faulty library did: k·M + (65537^a mod M), with M the product of the first 126 primes.
func rocaPrime(t *testing.T) *big.Int {
	t.Helper()
	m, found := big.NewInt(1), 0
	for p := int64(2); found < 126; p++ {
		if big.NewInt(p).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(p))
			found++
		}
	}
	a, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 60))
	must(t, err)
	p := new(big.Int).Exp(big.NewInt(65537), a, m)
	k := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(3), 1022), m)
	for p.Add(p, k.Mul(k, m)); !p.ProbablyPrime(0); {
		p.Add(p, m)
	}
	return p
}

func TestRejectsROCA(t *testing.T) {
	n := new(big.Int).Mul(rocaPrime(t), rocaPrime(t))
	if bits := n.BitLen(); bits != 2048 {
		t.Fatalf("made a modulus of %d bits", bits)
	}
	wantWeak(t, "ROCA", &rsa.PublicKey{N: n, E: 65537})
}

func TestRejectsEd25519SmallOrder(t *testing.T) {
	for _, point := range []string{
		"0100000000000000000000000000000000000000000000000000000000000000", // the identity
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
		"0000000000000000000000000000000000000000000000000000000000000000", // order 4
		"0000000000000000000000000000000000000000000000000000000000000080",
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	} {
		key, err := hex.DecodeString(point)
		must(t, err)
		wantWeak(t, "small order", ed25519.PublicKey(key))
	}
}

func TestRejectsEd25519OffCurve(t *testing.T) {
	for _, point := range []string{
		"0200000000000000000000000000000000000000000000000000000000000000", // no point has this y
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // y = 1, written as p+1
	} {
		key, err := hex.DecodeString(point)
		must(t, err)
		wantWeak(t, "not a point", ed25519.PublicKey(key))
	}
}

// Go itself refuses to parse such a certificate, which is fine as long as it does.
func TestRejectsECOffCurve(t *testing.T) {
	key := keytest.EC(t)
	der := issue(t, nil, key.Public(), key)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	must(t, err)
	point := spki[len(spki)-64:]
	changed := []byte(strings.Replace(string(der), string(point), string(append(make([]byte, 63), 1)), 1))
	refuses(t, keymgr.ErrCertificate, "cannot be parsed", changed)
	if elliptic.P256().Params().BitSize != 256 {
		t.Fatal("the point has another size")
	}
}

func TestAcceptsStrongKeys(t *testing.T) {
	for i := range 3 {
		if _, err := keymgr.ParseCertificate(keytest.RSA(t, i).Certificate(t), time.Now()); err != nil {
			t.Error(err)
		}
	}
}

func TestRejectsKnownWeakKeys(t *testing.T) {
	key, other := keytest.RSA(t, 0), keytest.EC(t)
	spki, err := x509.MarshalPKIXPublicKey(other.Public())
	must(t, err)
	spkiSum := sha256.Sum256(spki)
	modulusSum := sha1.Sum(fmt.Appendf(nil, "Modulus=%X\n", key.Public().(*rsa.PublicKey).N))
	list := "# known keys\n\n" + strings.ToUpper(hex.EncodeToString(spkiSum[:])) + "\n" + hex.EncodeToString(modulusSum[:])[20:] + "\r\n"
	p := keymgr.DefaultPolicy()
	p.KnownWeak, err = keymgr.ReadWeakKeys(strings.NewReader(list))
	must(t, err)
	for _, known := range []keytest.Key{key, other} {
		_, err := p.Parse(known.Certificate(t), "", time.Now())
		wantRefused(t, "known key", err, "list of known keys")
	}
	if _, err := p.Parse(keytest.RSA(t, 1).Certificate(t), "", time.Now()); err != nil {
		t.Errorf("a key that is not on the list: %v", err)
	}
	for _, bad := range []string{"xyz", "abcd", strings.Repeat("a", 63)} {
		if _, err := keymgr.ReadWeakKeys(strings.NewReader("# x\n" + bad)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("list with %q: %v", bad, err)
		}
	}
}

// The sums of openssl-blacklist are what openssl prints, hashed.
func TestKnownWeakKeysAsOpenSSLNamesThem(t *testing.T) {
	p := opensslPartner(t)
	p.run("", "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=x")
	printed := p.run(string(p.run("", "x509 -in cert.pem -noout -modulus")), "dgst -sha1 -r")
	policy := keymgr.DefaultPolicy()
	var err error
	policy.KnownWeak, err = keymgr.ReadWeakKeys(strings.NewReader(string(printed[20:40])))
	must(t, err)
	_, err = policy.Parse(p.file("cert.pem"), "", time.Now())
	wantRefused(t, "key on the list", err, "list of known keys")
}
