package keymgr

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

const (
	ownKeyPrefix = "signing-"
	ownKeySuffix = ".pem"
	ownKeyTime   = "20060102T150405.000Z" // sorts like the time it says

	// ownKeysMaxAge bounds how long a running process goes on with the key that a rotation has replaced.
	ownKeysMaxAge = 5 * time.Second
)

// OwnKeys are SPAR's own signing keys: files signing-<time>.pem in keys.dir. The newest signs, all are published, so that
// what an older one signed can be checked for as long as its file is kept. They are P-256: an answer is signed for every
// call, and an RSA signature would cost more than everything else a small call needs.
type OwnKeys struct {
	dir     string
	now     func() time.Time
	buffers sync.Pool // *[]byte
	loading sync.Mutex
	loaded  atomic.Pointer[ownKeySet]
}

type ownKeySet struct {
	at      time.Time
	names   []string
	current crypto.Signer
	signer  jws.Signer
	header  string // protected header of what current signs, in base64url
	jwks    []byte
}

// OpenOwnKeys reads the keys, and makes the first one if there is none; created names its file.
func OpenOwnKeys(dir string, now func() time.Time) (keys *OwnKeys, created string, err error) {
	keys = &OwnKeys{dir: dir, now: now, buffers: sync.Pool{New: func() any { return new([]byte) }}}
	names, err := keys.names()
	if err != nil {
		return nil, "", err
	}
	if len(names) == 0 {
		if created, err = RotateOwnKeys(dir, now()); err != nil {
			return nil, "", err
		}
	}
	_, err = keys.set()
	return keys, created, err
}

// HasOwnKeys reports whether there is a signing key in the directory.
func HasOwnKeys(dir string) (bool, error) {
	names, err := (&OwnKeys{dir: dir}).names()
	return len(names) > 0, err
}

// RotateOwnKeys makes a new signing key and returns its file. Running processes sign with it within five seconds; the
// older keys stay published until their files are deleted.
func RotateOwnKeys(dir string, now time.Time) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("generate signing key: %w", err)
	}
	content, err := keyPEM(key)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, ownKeyPrefix+now.UTC().Format(ownKeyTime)+ownKeySuffix)
	if err := writeNew(path, content); err != nil {
		return "", fmt.Errorf("write signing key: %w", err)
	}
	return path, nil
}

// names lists the key files, oldest first.
func (k *OwnKeys) names() ([]string, error) {
	entries, err := os.ReadDir(k.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list signing keys: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ownKeyPrefix) && strings.HasSuffix(entry.Name(), ownKeySuffix) {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// set returns the keys as they are in the directory, or were a few seconds ago.
func (k *OwnKeys) set() (*ownKeySet, error) {
	if set := k.loaded.Load(); set != nil && k.now().Sub(set.at) < ownKeysMaxAge {
		return set, nil
	}
	k.loading.Lock()
	defer k.loading.Unlock()
	old := k.loaded.Load()
	if old != nil && k.now().Sub(old.at) < ownKeysMaxAge {
		return old, nil
	}
	names, err := k.names()
	if err != nil {
		return nil, err
	}
	if old != nil && slices.Equal(names, old.names) {
		again := *old
		again.at = k.now()
		k.loaded.Store(&again)
		return &again, nil
	}
	set, err := k.load(names)
	if err != nil {
		return nil, err
	}
	k.loaded.Store(set)
	return set, nil
}

func (k *OwnKeys) load(names []string) (*ownKeySet, error) {
	if len(names) == 0 {
		return nil, fmt.Errorf("no signing key in %s", k.dir)
	}
	set := &ownKeySet{at: k.now(), names: names}
	published := jwk.NewSet()
	for _, name := range slices.Backward(names) {
		key, err := LoadKey(filepath.Join(k.dir, name))
		if err != nil {
			return nil, err
		}
		public, err := publicJWK(key)
		if err != nil {
			return nil, fmt.Errorf("signing key %s: %w", name, err)
		}
		if err := published.AddKey(public); err != nil {
			return nil, fmt.Errorf("signing key %s: %w", name, err)
		}
		if set.current == nil {
			if err := set.use(key, public.KeyID()); err != nil {
				return nil, fmt.Errorf("signing key %s: %w", name, err)
			}
		}
	}
	var err error
	if set.jwks, err = json.Marshal(published); err != nil {
		return nil, fmt.Errorf("encode signing keys: %w", err)
	}
	return set, nil
}

func (s *ownKeySet) use(key crypto.Signer, keyID string) error {
	algorithm, err := keyAlgorithm(key.Public())
	if err != nil {
		return err
	}
	if s.signer, err = jws.NewSigner(algorithm); err != nil {
		return err
	}
	header, err := protectedHeader(algorithm, keyID)
	s.current, s.header = key, base64.RawURLEncoding.EncodeToString(header)
	return err
}

// protectedHeader is {"alg":…,"kid":…,"typ":"JWT"}, without a kid if that is empty.
func protectedHeader(algorithm jwa.SignatureAlgorithm, keyID string) ([]byte, error) {
	header := []byte(`{"alg":"` + algorithm.String() + `"`)
	if keyID != "" {
		var err error
		if header, err = jsontext.AppendQuote(append(header, `,"kid":`...), keyID); err != nil {
			return nil, fmt.Errorf("key id: %w", err)
		}
	}
	return append(header, `,"typ":"JWT"}`...), nil
}

// publicJWK is the public half of a key as RFC 7517 has it; its kid is the thumbprint of RFC 7638.
func publicJWK(key crypto.Signer) (jwk.Key, error) {
	algorithm, err := keyAlgorithm(key.Public())
	if err != nil {
		return nil, err
	}
	public, err := jwk.FromRaw(key.Public())
	if err != nil {
		return nil, err
	}
	if err := jwk.AssignKeyID(public); err != nil {
		return nil, err
	}
	return public, errors.Join(public.Set(jwk.AlgorithmKey, algorithm), public.Set(jwk.KeyUsageKey, jwk.ForSignature))
}

// Sign returns the Signature header of an answer: a detached JWS over exactly these bytes (RFC 7515 appendix F).
func (k *OwnKeys) Sign(body []byte) (string, error) {
	set, err := k.set()
	if err != nil {
		return "", err
	}
	buffer := k.buffers.Get().(*[]byte)
	defer k.buffers.Put(buffer)
	*buffer = appendSigned((*buffer)[:0], set.header, body)
	signature, err := set.signer.Sign(*buffer, set.current)
	if err != nil {
		return "", fmt.Errorf("sign answer: %w", err)
	}
	return set.header + ".." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// JWKS is the public keys as a JSON Web Key Set, the current one first.
func (k *OwnKeys) JWKS() ([]byte, error) {
	set, err := k.set()
	if err != nil {
		return nil, err
	}
	return set.jwks, nil
}

// OwnSignature checks signatures that an [OwnKeys] elsewhere made: the other direction of the same protocol.
type OwnSignature struct{ keys jwk.Set }

// ParseJWKS reads a published key set.
func ParseJWKS(content []byte) (*OwnSignature, error) {
	keys, err := jwk.Parse(content)
	if err != nil {
		return nil, errors.New("it is not a JSON Web Key Set")
	}
	return &OwnSignature{keys: keys}, nil
}

// ErrUnknownKey says that a signature names a key which the key set does not have: read the set again, once.
var ErrUnknownKey = errors.New("signed with a key that is not published")

// Verify proves that a key of the set made this detached signature over exactly this body. The key is chosen by kid, and
// decides the algorithm.
func (o *OwnSignature) Verify(signature []string, body []byte) error {
	t, err := parseToken(signature)
	if err != nil {
		return err
	}
	if t.full {
		return &Refusal{Reason: Malformed, Detail: Say("not_detached", "expected a detached signature")}
	}
	key, ok := o.keys.LookupKeyID(t.keyID)
	if !ok {
		return ErrUnknownKey
	}
	if key.Algorithm() != t.algorithm {
		return &Refusal{Reason: BadAlgorithm, Detail: Say("alg_of_key", "alg is not the key's")}
	}
	var public any
	if err := key.Raw(&public); err != nil {
		return fmt.Errorf("use published key: %w", err)
	}
	verifier, err := jws.NewVerifier(t.algorithm)
	if err != nil {
		return fmt.Errorf("use published key: %w", err)
	}
	if verifier.Verify(appendSigned(nil, t.header, body), t.signature, public) != nil {
		return &Refusal{Reason: Tampered, Detail: Say("key_does_not_verify", "the key does not verify the body")}
	}
	return nil
}
