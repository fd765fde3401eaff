package keymgr

import (
	"cmp"
	"context"
	"crypto/x509"
	"slices"
	"time"
)

// ExpiryWarnings are the days before a certificate's end at which somebody should hear of it.
func ExpiryWarnings() []int { return []int{60, 30, 14, 7, 1} }

// Expiring is a certificate of an active partner that ends soon.
type Expiring struct {
	Reference   string
	Name        string
	Fingerprint string
	End         time.Time // by itself, by the overlap with its successor, or with the chain of its issuers
	Days        int       // whole days left
	Within      int       // the shortest of ExpiryWarnings that it is within
	Last        bool      // the partner has none that lasts longer: its calls end with it
}

// Expiring lists the certificates of active partners that end within the longest of [ExpiryWarnings], the next one first.
// Those that do not count, revoked or without a chain to a trust anchor, are not in it.
func (r *Register) Expiring(ctx context.Context) ([]Expiring, error) {
	partners, anchors, err := r.listAll(ctx)
	if err != nil {
		return nil, err
	}
	now, trust := r.now(), r.policy.trust(anchors)
	var list []Expiring
	for _, p := range partners {
		if p.Status == Active {
			list = append(list, p.expiring(trust, now)...)
		}
	}
	slices.SortStableFunc(list, func(a, b Expiring) int { return cmp.Or(a.End.Compare(b.End), cmp.Compare(a.Reference, b.Reference)) })
	return list, nil
}

func (p Partner) expiring(trust trust, now time.Time) (list []Expiring) {
	var last time.Time
	for _, c := range p.Certificates {
		end := c.endUnder(trust, now)
		if end.Before(now) {
			continue
		}
		if end.After(last) {
			last = end
		}
		left := end.Sub(now)
		e := Expiring{Reference: p.ReferenceID, Name: p.Name, Fingerprint: c.Fingerprint, End: end, Days: int(left / (24 * time.Hour))}
		for _, warning := range ExpiryWarnings() {
			if left <= time.Duration(warning)*24*time.Hour {
				e.Within = warning
			}
		}
		if e.Within > 0 {
			list = append(list, e)
		}
	}
	for i := range list {
		list[i].Last = list[i].End.Equal(last)
	}
	return list
}

// endUnder is when a certificate stops counting: long ago if it does not count now.
func (c Certificate) endUnder(trust trust, now time.Time) time.Time {
	leaf, err := x509.ParseCertificate(c.DER)
	if err != nil || !c.RevokedAt.IsZero() {
		return time.Time{}
	}
	if isSelfIssued(leaf) {
		return c.End()
	}
	chain, err := trust.chain(leaf, c.Chain, now)
	if err != nil {
		return time.Time{}
	}
	if chain.to.Before(c.End()) {
		return chain.to
	}
	return c.End()
}
