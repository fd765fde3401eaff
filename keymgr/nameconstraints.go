package keymgr

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
)

// Kinds of a GeneralName, by tag (RFC 5280 section 4.2.1.6).
const (
	tagEmail     = 1
	tagDNS       = 2
	tagDirectory = 4
	tagURI       = 6
	tagIP        = 7
)

// directoryConstraints are an authority's constraints on distinguished names, the names that partners' certificates have;
// Go checks the other kinds.
type directoryConstraints struct{ permitted, excluded []pkix.RDNSequence }

type nameConstraints struct {
	Permitted []generalSubtree `asn1:"optional,tag:0"`
	Excluded  []generalSubtree `asn1:"optional,tag:1"`
}

type generalSubtree struct {
	Base asn1.RawValue
	Min  int `asn1:"optional,tag:0,default:0"`
}

func isNameConstraints(id asn1.ObjectIdentifier) bool {
	return id.Equal(asn1.ObjectIdentifier{2, 5, 29, 30})
}

// parseAuthority parses an issuer's certificate. Name constraints of a kind that nobody here checks are an error, also
// where the extension is not critical, and those on distinguished names do not count as unhandled.
func parseAuthority(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, Say("unreadable", "cannot be parsed: %v", err)
	}
	if _, err := directoryConstraintsOf(c); err != nil {
		return nil, err
	}
	c.UnhandledCriticalExtensions = slices.DeleteFunc(c.UnhandledCriticalExtensions, isNameConstraints)
	return c, nil
}

func directoryConstraintsOf(c *x509.Certificate) (directoryConstraints, error) {
	i := slices.IndexFunc(c.Extensions, func(e pkix.Extension) bool { return isNameConstraints(e.Id) })
	if i < 0 {
		return directoryConstraints{}, nil
	}
	var all nameConstraints
	if rest, err := asn1.Unmarshal(c.Extensions[i].Value, &all); err != nil || len(rest) > 0 {
		return directoryConstraints{}, Say("name_constraints_unreadable", "its name constraints cannot be read")
	}
	permitted, err := directoryNames(all.Permitted)
	if err != nil {
		return directoryConstraints{}, err
	}
	excluded, err := directoryNames(all.Excluded)
	return directoryConstraints{permitted, excluded}, err
}

func directoryNames(subtrees []generalSubtree) (names []pkix.RDNSequence, err error) {
	for _, subtree := range subtrees {
		switch subtree.Base.Tag {
		case tagEmail, tagDNS, tagURI, tagIP:
		case tagDirectory:
			var name pkix.RDNSequence
			if rest, err := asn1.Unmarshal(subtree.Base.Bytes, &name); err != nil || len(rest) > 0 {
				return nil, Say("name_constraints_unreadable", "its name constraints cannot be read")
			}
			names = append(names, name)
		default:
			return nil, Say("name_constraints_kind", "it has name constraints of a kind that cannot be checked here")
		}
	}
	return names, nil
}

// checkDirectoryNames applies every issuer's constraints on distinguished names to the names below it (RFC 5280 section
// 6.1.3 b and c). The chain begins with the partner's certificate.
func checkDirectoryNames(chain []*x509.Certificate) error {
	for i, issuer := range chain[1:] {
		constraints, err := directoryConstraintsOf(issuer)
		if err != nil {
			return err
		}
		for j, c := range chain[:i+1] {
			if j > 0 && isSelfIssued(c) {
				continue
			}
			var name pkix.RDNSequence
			if rest, err := asn1.Unmarshal(c.RawSubject, &name); err != nil || len(rest) > 0 {
				return Say("subject_unreadable", "its subject cannot be read")
			}
			if !constraints.allow(name) {
				return Say("names_of_issuer", "the name constraints of its issuer %q do not allow its names", clip(issuer.Subject.String()))
			}
		}
		if constrainsEmail(issuer) && len(chain[0].EmailAddresses) == 0 && hasEmailInSubject(chain[0]) {
			return Say("email_in_subject", "an issuer constrains e-mail addresses: the address belongs in subjectAltName, not in the subject")
		}
	}
	return nil
}

func (d directoryConstraints) allow(name pkix.RDNSequence) bool {
	below := func(base pkix.RDNSequence) bool { return isBelow(name, base) }
	if len(name) == 0 { // the certificate's names are elsewhere
		return true
	}
	return !slices.ContainsFunc(d.excluded, below) && (len(d.permitted) == 0 || slices.ContainsFunc(d.permitted, below))
}

// isBelow reports whether a name begins with all of base.
func isBelow(name, base pkix.RDNSequence) bool {
	return len(base) <= len(name) && slices.EqualFunc(name[:len(base)], base, sameRDN)
}

func sameRDN(a, b pkix.RelativeDistinguishedNameSET) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x pkix.AttributeTypeAndValue) bool {
		return !slices.ContainsFunc(b, func(y pkix.AttributeTypeAndValue) bool {
			return x.Type.Equal(y.Type) && foldName(x.Value) == foldName(y.Value)
		})
	})
}

// foldName compares names as RFC 5280 section 7.1 has it: without case and surplus spaces.
func foldName(value any) string {
	return strings.ToLower(strings.Join(strings.Fields(fmt.Sprint(value)), " "))
}

func constrainsEmail(c *x509.Certificate) bool {
	return len(c.PermittedEmailAddresses)+len(c.ExcludedEmailAddresses) > 0
}

func hasEmailInSubject(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.Subject.Names, func(n pkix.AttributeTypeAndValue) bool {
		return n.Type.Equal(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1})
	})
}
