package keymgr

import (
	"context"
	"crypto"
	"crypto/x509"
	"slices"
	"time"
)

// cacheTime is how long another process's change, a revocation above all, may go unnoticed here.
const cacheTime = 2 * time.Second

// clockSkew is how far a partner's clock may be ahead of ours when it makes a certificate and uses it at once.
const clockSkew = time.Minute

// senders is the whole register at one moment. All partners are kept, not those asked for lately: otherwise the look-up
// of an unknown sender would take a query longer than that of a partner that is often there. A register has hundreds of
// partners, and reading them all every two seconds is nothing.
type senders struct {
	byReference map[string]*sender
	keys        map[string]crypto.PublicKey // by fingerprint, so that certificates are parsed once
	changes     int64
	readAt      time.Time
}

// sender is a partner whose certificates are parsed, the newest first.
type sender struct {
	Partner
	keys []senderKey
}

type senderKey struct {
	Certificate
	keyID  string
	public crypto.PublicKey
}

// candidate is a key to try. A refusal says why it does not count: such keys are tried too, so that the log tells a
// revoked certificate from a forged signature.
type candidate struct {
	key     *senderKey
	refusal *Refusal
}

// current returns the register as it was at most cacheTime ago.
func (l *Local) current(ctx context.Context) (*senders, error) {
	if s := l.senders.Load(); l.fresh(s) {
		return s, nil
	}
	l.loading.Lock()
	defer l.loading.Unlock()
	old := l.senders.Load()
	if l.fresh(old) { // someone else was faster
		return old, nil
	}
	// Both are taken before the tables are read, so that a change in the meantime is seen the next time.
	s := &senders{changes: l.register.changes.Load(), readAt: l.register.now()}
	partners, err := l.register.List(ctx)
	if err != nil {
		return nil, err
	}
	s.index(partners, old)
	l.senders.Store(s)
	return s, nil
}

func (l *Local) fresh(s *senders) bool {
	if s == nil || s.changes != l.register.changes.Load() {
		return false
	}
	age := l.register.now().Sub(s.readAt)
	return 0 <= age && age < cacheTime
}

func (s *senders) index(partners []Partner, old *senders) {
	s.byReference = make(map[string]*sender, len(partners))
	s.keys = make(map[string]crypto.PublicKey, len(partners))
	for _, p := range partners {
		from := &sender{Partner: p, keys: make([]senderKey, 0, len(p.Certificates))}
		for _, c := range slices.Backward(p.Certificates) {
			public := old.parsed(c)
			if public == nil {
				continue // nothing verifies with a certificate that changed in the tables
			}
			s.keys[c.Fingerprint] = public
			from.keys = append(from.keys, senderKey{Certificate: c, keyID: KeyID(c.DER), public: public})
		}
		s.byReference[p.ReferenceID] = from
	}
}

// parsed returns a certificate's public key, or nil if what is stored is not what was judged at onboarding.
func (s *senders) parsed(c Certificate) crypto.PublicKey {
	if s != nil && s.keys[c.Fingerprint] != nil {
		return s.keys[c.Fingerprint]
	}
	certificate, err := x509.ParseCertificate(c.DER)
	if err != nil || fingerprint(c.DER) != c.Fingerprint {
		return nil
	}
	if algorithm, err := keyAlgorithm(certificate.PublicKey); err != nil || algorithm.String() != c.Algorithm {
		return nil
	}
	return certificate.PublicKey
}

// candidates are the keys to try for a token, at most maxCertificates: first those that count, then the newest of those
// that do not. A refusal means that none counts, whatever the signature is; s may be nil.
func (s *sender) candidates(t token, now time.Time) ([]candidate, *Refusal) {
	switch {
	case s == nil:
		return nil, &Refusal{Reason: UnknownSender, Detail: "not a partner of this application"}
	case s.Status == Suspended:
		return nil, &Refusal{Reason: SenderSuspended, Detail: "the partner is suspended"}
	case s.Status != Active:
		return nil, &Refusal{Reason: SenderDraft, Detail: "the partner was not activated"}
	}
	var good, bad []candidate
	var none *Refusal // why there is no good one
	keys := s.named(t.keyID)
	for i := range keys {
		key := &keys[i]
		refusal, fits := key.refusal(now), key.Algorithm == t.algorithm.String()
		if refusal == nil && !fits {
			refusal = &Refusal{Reason: BadAlgorithm, Detail: "the certificate's algorithm is " + key.Algorithm}
		}
		switch {
		case refusal == nil:
			good = append(good, candidate{key: key})
		case fits:
			bad = append(bad, candidate{key: key, refusal: refusal})
		}
		// A valid certificate of another algorithm explains more than an expired one.
		if refusal != nil && (none == nil || refusal.Reason == BadAlgorithm) {
			none = refusal
		}
	}
	all := append(good, bad...)
	all = all[:min(len(all), maxCertificates)]
	switch {
	case len(good) > 0:
		return all, nil
	case none == nil:
		none = &Refusal{Reason: NoCertificate, Detail: "the partner has no certificate"}
	}
	return all, none
}

// named returns the key that a kid picks, or all of them.
func (s *sender) named(keyID string) []senderKey {
	if i := s.indexOf(keyID); i >= 0 {
		return s.keys[i : i+1]
	}
	return s.keys
}

func (s *sender) indexOf(keyID string) int {
	hex, _ := normalFingerprint(keyID)
	return slices.IndexFunc(s.keys, func(k senderKey) bool { return k.keyID == keyID || k.Fingerprint == hex })
}

// describeKeyID helps the administrator who reads the log of a failing partner.
func (s *sender) describeKeyID(t token) string {
	switch {
	case t.keyID == "":
		return "there is no kid"
	case s != nil && s.indexOf(t.keyID) >= 0:
		return "kid picked one"
	default:
		return "kid picked none"
	}
}

// refusal says why a certificate does not count at this moment, or nil.
func (c Certificate) refusal(now time.Time) *Refusal {
	switch {
	case !c.RevokedAt.IsZero():
		return &Refusal{Reason: Revoked, Detail: "certificate " + c.Fingerprint + " is revoked"}
	case now.After(c.NotAfter):
		return &Refusal{Reason: Expired, Detail: "certificate " + c.Fingerprint + " has expired"}
	case now.Add(clockSkew).Before(c.NotBefore):
		return &Refusal{Reason: NotYetValid, Detail: "certificate " + c.Fingerprint + " is not valid yet"}
	}
	return nil
}
