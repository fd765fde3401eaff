package demo

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	loginLifetime   = 10 * time.Minute // to pick a person and to exchange the code
	tokenLifetime   = 10 * time.Minute
	idTokenLifetime = 10 * time.Minute
)

var errUnknown = errors.New("unknown or expired")

// storage holds what the provider remembers, in memory: a restart of the demo ends logins that are under way and
// nothing else, because the keys are on disk. It implements op.Storage.
type storage struct {
	now     func() time.Time
	clients map[string]*client
	key     signingKey
	pairing []byte // key of the pairwise subjects

	mu     sync.Mutex
	logins map[string]*login // by id
	tokens map[string]accessToken
	seen   map[string]time.Time // client id and jti of assertions, until they expire
}

// accessToken is what an access token stands for.
type accessToken struct {
	login   login
	expires time.Time
}

func newStorage(key *rsa.PrivateKey, clients []Client, now func() time.Time) (*storage, error) {
	s := &storage{
		now: now, clients: map[string]*client{},
		logins: map[string]*login{}, tokens: map[string]accessToken{}, seen: map[string]time.Time{},
	}
	for _, c := range clients {
		known, err := newClient(c)
		if err != nil {
			return nil, err
		}
		s.clients[c.ID] = known
	}
	id, err := KeyID(key.Public())
	if err != nil {
		return nil, err
	}
	s.key = signingKey{id: id, key: key}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("derive demo subjects: %w", err)
	}
	// Bound to the signing key, so that subjects live exactly as long as it does, without another file to keep.
	s.pairing, err = hkdf.Key(sha256.New, der, nil, "demo provider: pairwise subjects", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive demo subjects: %w", err)
	}
	return s, nil
}

// subject is pairwise: two clients cannot tell by it that they speak of the same person (OpenID Connect Core 8.1).
func (s *storage) subject(clientID string, p Person) string {
	mac := hmac.New(sha256.New, s.pairing)
	fmt.Fprintf(mac, "%d:%s:%s", len(clientID), clientID, p.NationalID)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// prune forgets what has expired. The caller holds the lock.
func (s *storage) prune() {
	now := s.now()
	maps.DeleteFunc(s.logins, func(_ string, l *login) bool { return !now.Before(l.expires) })
	maps.DeleteFunc(s.tokens, func(_ string, t accessToken) bool { return !now.Before(t.expires) })
	maps.DeleteFunc(s.seen, func(_ string, until time.Time) bool { return !now.Before(until) })
}

// find returns the live login of an id. The caller holds the lock.
func (s *storage) find(id string) (*login, error) {
	l, ok := s.logins[id]
	if !ok || !s.now().Before(l.expires) {
		return nil, errUnknown
	}
	return l, nil
}

// CreateAuthRequest remembers an authorization request that the library has validated.
func (s *storage) CreateAuthRequest(_ context.Context, request *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if err := checkRequest(request); err != nil {
		return nil, err
	}
	l := &login{id: rand.Text(), request: *request, expires: s.now().Add(loginLifetime)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune()
	s.logins[l.id] = l
	return *l, nil
}

// AuthRequestByID returns a login under way.
func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	l, err := s.pending(id)
	if err != nil {
		return nil, oidc.ErrInvalidRequest().WithDescription("this login has ended or is unknown").WithParent(err)
	}
	return l, nil
}

// pending returns a login that has no code yet.
func (s *storage) pending(id string) (login, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil {
		return login{}, err
	}
	if l.code != "" {
		return login{}, errUnknown
	}
	return *l, nil
}

// choose records that a person logged in, now.
func (s *storage) choose(id string, p Person) (login, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil || l.Done() {
		return login{}, errUnknown
	}
	l.person, l.subject, l.authTime = p, s.subject(l.request.ClientID, p), s.now()
	return *l, nil
}

// cancel ends a login that nobody went through with.
func (s *storage) cancel(id string) (login, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil || l.Done() {
		return login{}, errUnknown
	}
	delete(s.logins, id)
	return *l, nil
}

// SaveAuthCode gives a login its code: one, however often the browser asks.
func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.find(id)
	if err != nil || l.code != "" {
		return oidc.ErrInvalidRequest().WithDescription("this login has ended")
	}
	l.code = code
	return nil
}

// AuthRequestByCode takes the code: it is good for one exchange, also a failed one. A second use withdraws the access
// token of the first (RFC 6749, 4.1.2).
func (s *storage) AuthRequestByCode(_ context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune()
	for _, l := range s.logins {
		if l.code == "" || !hmac.Equal([]byte(l.code), []byte(code)) {
			continue
		}
		if l.used {
			delete(s.tokens, l.tokenID)
			return nil, errUnknown
		}
		l.used = true
		return *l, nil
	}
	return nil, errUnknown
}

// DeleteAuthRequest has nothing to do: a used code is remembered until it would have expired.
func (s *storage) DeleteAuthRequest(context.Context, string) error { return nil }

// CreateAccessToken makes the token that opens userinfo.
func (s *storage) CreateAccessToken(_ context.Context, request op.TokenRequest) (string, time.Time, error) {
	l, ok := request.(login)
	if !ok {
		return "", time.Time{}, oidc.ErrUnsupportedGrantType()
	}
	id, expires := rand.Text(), s.now().Add(tokenLifetime)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[id] = accessToken{login: l, expires: expires}
	if kept, err := s.find(l.id); err == nil {
		kept.tokenID = id
	}
	return id, expires, nil
}

// grant returns the login behind an access token.
func (s *storage) grant(tokenID, subject string) (login, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[tokenID]
	if !ok || !s.now().Before(t.expires) || t.login.subject != subject {
		return login{}, errUnknown
	}
	return t.login, nil
}

// TerminateSession withdraws the access tokens that a client holds for a person.
func (s *storage) TerminateSession(_ context.Context, subject, clientID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.tokens, func(_ string, t accessToken) bool {
		return t.login.subject == subject && t.login.request.ClientID == clientID
	})
	return nil
}

// useAssertion burns the jti of a verified assertion and reports whether it was fresh.
func (s *storage) useAssertion(clientID, jti string, until time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune()
	key := clientID + "\x00" + jti
	if _, known := s.seen[key]; known {
		return false
	}
	s.seen[key] = until
	return true
}

// GetClientByClientID returns a registered client.
func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	c, ok := s.clients[id]
	if !ok {
		return nil, errors.New("unknown client")
	}
	return c, nil
}

// GetKeyByIDAndClientID returns a client's key; an assertion may leave the kid out, but not name another.
func (s *storage) GetKeyByIDAndClientID(_ context.Context, keyID, clientID string) (*jose.JSONWebKey, error) {
	c, ok := s.clients[clientID]
	if !ok || (keyID != "" && keyID != c.key.KeyID) {
		return nil, errors.New("unknown client key")
	}
	return &c.key, nil
}

// SetUserinfoFromScopes fills the ID token.
func (s *storage) SetUserinfoFromScopes(_ context.Context, info *oidc.UserInfo, subject, clientID string, _ []string) error {
	info.Subject = subject
	c, ok := s.clients[clientID]
	if !ok {
		return errors.New("unknown client")
	}
	if c.Staff {
		i := slices.IndexFunc(People(), func(p Person) bool { return s.subject(clientID, p) == subject })
		if i >= 0 {
			addRoles(info, People()[i])
		}
	}
	return nil
}

func addRoles(info *oidc.UserInfo, p Person) {
	if p.Staff() {
		info.AppendClaims("realm_access", map[string]any{"roles": p.Roles})
	}
}
