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
	Algorithm   string // the only JWS algorithm it verifies: RS256, ES256 or EdDSA
	DER         []byte
	NotBefore   time.Time
	NotAfter    time.Time
	AddedAt     time.Time
	RevokedAt   time.Time // zero while not revoked; revocation is final
}
