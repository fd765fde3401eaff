package keymgr

import (
	"context"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
)

// ExplainOffline is [Local.Explain] for a sender that is known by nothing but a certificate, for partners' own
// developers: no register, no database, nothing is kept. The certificate is judged by the default policy, except that
// nobody here knows which authorities are trusted. An empty algorithm is what the token says, if the key can do that.
// The error is that of [Policy.Parse].
func ExplainOffline(ctx context.Context, m Signed, certificate []byte, algorithm string, now time.Time) (Explanation, error) {
	policy := DefaultPolicy()
	c, err := policy.Parse(certificate, algorithm, now)
	if err != nil {
		return Explanation{}, err
	}
	if algorithm == "" {
		c.Algorithm = likelyAlgorithm(c, m)
	}
	partner := Partner{ReferenceID: m.Sender, Name: m.Sender, Status: Active, Certificates: []Certificate{c}}
	alone := newLocal(source{
		load:      func(context.Context) ([]Partner, []TrustAnchor, error) { return []Partner{partner}, nil, nil },
		changes:   func() int64 { return 0 },
		now:       func() time.Time { return now },
		policy:    policy,
		anyIssuer: true,
	})
	return alone.Explain(ctx, m), nil
}

// likelyAlgorithm is the algorithm that a certificate was registered with, if the sender did what was agreed.
func likelyAlgorithm(c Certificate, m Signed) string {
	t, err := parseToken(m.Signature)
	if err != nil {
		return c.Algorithm
	}
	if fits(t.algorithm, jwa.SignatureAlgorithm(c.Algorithm)) {
		return t.algorithm.String()
	}
	return c.Algorithm
}
