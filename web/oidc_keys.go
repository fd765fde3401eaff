package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	keysAge      = 10 * time.Minute // how long keys are trusted before they are read again: a withdrawn key is dead then
	keysPerMin   = 6                // how often at most they are read, whatever tokens ask for
	maxKeys      = 50
	minRSABits   = 2048
	maxTokenSize = 64 << 10 // bytes of a compact JWS
)

// keySet is a provider's published keys. It is go-oidc's KeySet with what that one lacks: keys expire, reading them is
// limited in rate, and only keys for signing, of sufficient size, count.
type keySet struct {
	url        string
	client     *http.Client
	algorithms []jose.SignatureAlgorithm
	now        func() time.Time

	mu     sync.Mutex
	keys   []jose.JSONWebKey
	readAt time.Time
	reads  []time.Time // of the last minute
}

func newKeySet(url string, client *http.Client, algorithms []string, now func() time.Time) *keySet {
	s := &keySet{url: url, client: client, now: now}
	for _, algorithm := range algorithms {
		s.algorithms = append(s.algorithms, jose.SignatureAlgorithm(algorithm))
	}
	return s
}

// VerifySignature returns the payload of a JWS that one of the keys signed with an allowed algorithm. If none did, the
// provider may have changed its keys a moment ago: they are read once more.
func (s *keySet) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	return s.verify(ctx, token, keysPerMin)
}

// verifyUnasked is VerifySignature for a token that anybody may have sent. It reads the keys less often: junk must not
// use up the readings that logins need.
func (s *keySet) verifyUnasked(ctx context.Context, token string) ([]byte, error) {
	return s.verify(ctx, token, keysPerMin/2)
}

func (s *keySet) verify(ctx context.Context, token string, perMinute int) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(token, s.algorithms)
	if err != nil {
		return nil, refuse("signature algorithm or form")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.keys) == 0 || s.now().Sub(s.readAt) >= keysAge {
		if err := s.read(ctx, perMinute); err != nil {
			return nil, err
		}
	}
	payload, ok := verifyWith(s.keys, jws)
	if ok {
		return payload, nil
	}
	if s.read(ctx, perMinute) == nil {
		if payload, ok = verifyWith(s.keys, jws); ok {
			return payload, nil
		}
	}
	return nil, refuse("signature")
}

func verifyWith(keys []jose.JSONWebKey, jws *jose.JSONWebSignature) ([]byte, bool) {
	kid := jws.Signatures[0].Header.KeyID
	for _, key := range keys {
		if kid != "" && key.KeyID != kid {
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// read fetches the keys, unless they were read so often in the last minute. The caller holds mu.
func (s *keySet) read(ctx context.Context, perMinute int) error {
	now := s.now()
	for len(s.reads) > 0 && now.Sub(s.reads[0]) >= time.Minute {
		s.reads = s.reads[1:]
	}
	if len(s.reads) >= perMinute {
		return unavailable("keys", errors.New("read too often"))
	}
	s.reads = append(s.reads, now)
	keys, err := s.fetch(ctx)
	if err != nil {
		return unavailable("keys", err)
	}
	s.keys, s.readAt = keys, now
	return nil
}

func (s *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json, application/jwk-set+json")
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return parseKeys(body)
}

// parseKeys takes the usable keys of a JWK set. Others are passed over: providers publish keys of kinds and for uses
// that do not concern us.
func parseKeys(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, errors.New("not a JWK set")
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(raw) == nil && (key.Use == "" || key.Use == "sig") && strongKey(key.Key) && len(keys) < maxKeys {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no usable key in the JWK set")
	}
	return keys, nil
}

func strongKey(key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
