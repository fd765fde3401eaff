package keymgr

import (
	"context"
	"crypto/x509"
	"slices"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// cacheTime is how long another process's change, a revocation above all, may go unnoticed here.
const cacheTime = 2 * time.Second

// source is where the partners come from: a [Register], or a single certificate for [Offline].
type source struct {
	load      func(ctx context.Context) ([]Partner, []TrustAnchor, error)
	changes   func() int64 // changes when the partners may have
	now       func() time.Time
	policy    Policy
	anyIssuer bool // nobody knows which authorities are trusted
}

// senders is the whole register at one moment. All partners are kept, not those asked for lately: otherwise the look-up
// of an unknown sender would take a query longer than that of a partner that is often there. A register has hundreds of
// partners, and reading them all every two seconds is nothing.
type senders struct {
	byReference map[string]*sender
	keys        map[string]*knownKey // by fingerprint, so that certificates are parsed, and chains built, once
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
	*knownKey
}

// knownKey is what the bytes of a certificate say. It is never changed, for it outlives the senders it was made for.
type knownKey struct {
	leaf   *x509.Certificate
	keyID  string
	weak   error  // what the policy of today has against the key
	set    string // the trust anchors that the next two are about
	chain  period // while it chains to one; self-signed: always
	broken error  // why it does not
}

// candidate is a key to try. A refusal says why it does not count: such keys are tried too, so that the log tells a
// revoked certificate from a forged signature.
type candidate struct {
	*senderKey
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
	s := &senders{changes: l.from.changes(), readAt: l.from.now()}
	partners, anchors, err := l.from.load(ctx)
	if err != nil {
		return nil, err
	}
	s.index(partners, l.from, anchors, old)
	l.senders.Store(s)
	return s, nil
}

func (l *Local) fresh(s *senders) bool {
	if s == nil || s.changes != l.from.changes() {
		return false
	}
	age := l.from.now().Sub(s.readAt)
	return 0 <= age && age < cacheTime
}

func (s *senders) index(partners []Partner, from source, anchors []TrustAnchor, old *senders) {
	s.byReference = make(map[string]*sender, len(partners))
	s.keys = make(map[string]*knownKey, len(partners))
	trust := from.policy.trust(anchors)
	for _, p := range partners {
		sender := &sender{Partner: p, keys: make([]senderKey, 0, len(p.Certificates))}
		for _, c := range slices.Backward(p.Certificates) {
			known := old.known(c, from.policy)
			if known == nil {
				continue // nothing verifies with a certificate that changed in the tables
			}
			if !from.anyIssuer {
				known = known.under(trust, c, s.readAt)
			}
			s.keys[c.Fingerprint] = known
			sender.keys = append(sender.keys, senderKey{Certificate: c, knownKey: known})
		}
		s.byReference[p.ReferenceID] = sender
	}
}

// known returns what a certificate says, or nil if what is stored is not what was judged at onboarding.
func (s *senders) known(c Certificate, policy Policy) *knownKey {
	if s != nil && s.keys[c.Fingerprint] != nil {
		return s.keys[c.Fingerprint]
	}
	leaf, err := x509.ParseCertificate(c.DER)
	if err != nil || fingerprint(c.DER) != c.Fingerprint {
		return nil
	}
	if natural, err := keyAlgorithm(leaf.PublicKey); err != nil || !fits(jwa.SignatureAlgorithm(c.Algorithm), natural) {
		return nil
	}
	return &knownKey{leaf: leaf, keyID: KeyID(c.DER), weak: policy.checkKnown(leaf.PublicKey)}
}

// under returns the key with its chain to the anchors of a moment. Finding a chain costs some signatures, so it is done
// anew only when the anchors change or the last one has ended.
func (k *knownKey) under(trust trust, c Certificate, at time.Time) *knownKey {
	if k.set == trust.set && k.broken == nil && k.chain.holds(at) {
		return k
	}
	again := *k
	again.set = trust.set
	if isSelfIssued(k.leaf) {
		again.chain = period{to: time.Unix(1<<40, 0)}
		again.broken = Policy{SelfSigned: true}.judgeSelfSigned(k.leaf, nil)
		return &again
	}
	again.chain, again.broken = trust.chain(k.leaf, c.Chain, at)
	return &again
}

// candidates are the keys to try for a token, at most maxCertificates: first those that count, then the newest of those
// that do not. A refusal means that none counts, whatever the signature is; s may be nil.
func (s *sender) candidates(t token, from source, now time.Time) ([]candidate, *Refusal) {
	switch {
	case s == nil:
		return nil, &Refusal{Reason: UnknownSender, Detail: Say("no_partner", "not a partner of this application")}
	case s.Status == Suspended:
		return nil, &Refusal{Reason: SenderSuspended, Detail: Say("suspended", "the partner is suspended")}
	case s.Status != Active:
		return nil, &Refusal{Reason: SenderDraft, Detail: Say("not_activated", "the partner was not activated")}
	}
	var good, bad []candidate
	var none *Refusal // why there is no good one
	named := s.named(t.keyID)
	for i := range named {
		c := candidate{senderKey: &named[i], refusal: named[i].refusalFor(t.algorithm, from, now)}
		switch {
		case c.refusal == nil:
			good = append(good, c)
		case c.Algorithm == t.algorithm.String():
			bad = append(bad, c)
		}
		// A valid certificate of another algorithm explains more than an expired one.
		if c.refusal != nil && (none == nil || c.refusal.Reason == BadAlgorithm) {
			none = c.refusal
		}
	}
	all := append(good, bad...)
	all = all[:min(len(all), maxCertificates)]
	switch {
	case len(good) > 0:
		return all, nil
	case none == nil:
		none = &Refusal{Reason: NoCertificate, Detail: Say("no_certificate", "the partner has no certificate")}
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

// noneVerifies says that no certificate does, and what kid did, which helps the administrator of a failing partner.
func (s *sender) noneVerifies(t token) *Said {
	switch {
	case t.keyID == "":
		return Say("none_verifies", "no certificate of the sender verifies the body; there is no kid")
	case s != nil && s.indexOf(t.keyID) >= 0:
		return Say("none_verifies_kid", "no certificate of the sender verifies the body; kid picked one")
	default:
		return Say("none_verifies_other_kid", "no certificate of the sender verifies the body; kid picked none")
	}
}

// refusalFor says why a key does not count for an algorithm at this moment, or nil.
func (k *senderKey) refusalFor(algorithm jwa.SignatureAlgorithm, from source, now time.Time) *Refusal {
	if refusal := k.refusal(from, now); refusal != nil || k.Algorithm == algorithm.String() {
		return refusal
	}
	return &Refusal{Reason: BadAlgorithm, Detail: Say("other_algorithm", "the certificate's algorithm is %s", k.Algorithm)}
}

// refusal says why a key does not count at this moment for any algorithm, or nil.
func (k *senderKey) refusal(from source, now time.Time) *Refusal {
	because := func(reason Reason, detail *Said) *Refusal { return &Refusal{Reason: reason, Detail: detail} }
	soon := now.Add(from.policy.ClockSkew)
	switch {
	case !k.RevokedAt.IsZero():
		return because(Revoked, Say("revoked", "certificate %s is revoked", k.Fingerprint))
	case now.After(k.NotAfter):
		return because(Expired, Say("expired", "certificate %s has expired", k.Fingerprint))
	case !k.ValidTo.IsZero() && now.After(k.ValidTo):
		return because(Replaced, Say("replaced", "certificate %s was replaced, and the overlap has ended", k.Fingerprint))
	case soon.Before(k.NotBefore):
		return because(NotYetValid, Say("not_yet_valid", "certificate %s is not valid yet", k.Fingerprint))
	case k.weak != nil:
		return because(WeakKey, Say("weak", "certificate %s does not fit the policy any more: %v", k.Fingerprint, k.weak))
	case from.anyIssuer:
		return nil
	case k.broken != nil:
		return because(Untrusted, Say("untrusted", "certificate %s is not trusted: %v", k.Fingerprint, k.broken))
	case !k.chain.holds(now) && !k.chain.holds(soon):
		return because(Untrusted, Say("untrusted_now", "certificate %s is not trusted: a certificate of its issuers is not valid now", k.Fingerprint))
	}
	return nil
}
