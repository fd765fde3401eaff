// Package keymgr owns partners, their certificates and the checking of their signatures: it answers whether this partner
// signed exactly this body. It also holds the portal's own signing key. It knows no HTTP and nothing of links; no other
// package reads a JWS, parses a certificate or touches the partner tables.
package keymgr

import (
	"slices"
	"time"
)

// Permission names something a partner may do.
type Permission string

// The permissions, as on the command line. Resolve answers yes or no; Details also reveals the financial address.
const (
	Resolve Permission = "resolve"
	Details Permission = "details"
	Link    Permission = "link"
	Update  Permission = "update"
	Unlink  Permission = "unlink"
)

// Status of a partner.
type Status string

// Only an active partner's signature is ever accepted.
const (
	Draft     Status = "draft"
	Active    Status = "active"
	Suspended Status = "suspended"
)

// Partner is a system that may call the mapper. Its reference id is its name in the key manager.
type Partner struct {
	ReferenceID  string
	Name         string
	Status       Status
	Permissions  []Permission
	FAProviders  []string // DFSP codes it may link, update and unlink; empty: any
	CallbackURL  string
	Limits       Limits // its own; see [Limits.Within]
	CreatedAt    time.Time
	ChangedAt    time.Time
	Certificates []Certificate
}

// Allows reports whether the partner holds a permission.
func (p Partner) Allows(permission Permission) bool {
	return p.Status == Active && slices.Contains(p.Permissions, permission)
}

// Certificate is one certificate of a partner.
type Certificate struct {
	Fingerprint string // SHA-256 of the DER, lower-case hex
	Algorithm   string // the only JWS algorithm it verifies: RS256, PS256, ES256 or EdDSA
	DER         []byte
	Chain       []byte // certificates of issuers that came with it, DER one after the other; they prove nothing by themselves
	NotBefore   time.Time
	NotAfter    time.Time
	AddedAt     time.Time
	ValidTo     time.Time // when its successor takes over alone; zero without one
	RevokedAt   time.Time // zero while not revoked; revocation is final
}

// End is when a certificate stops verifying by itself: when it expires, or at the end of the overlap with its successor.
func (c Certificate) End() time.Time {
	if !c.ValidTo.IsZero() && c.ValidTo.Before(c.NotAfter) {
		return c.ValidTo
	}
	return c.NotAfter
}
