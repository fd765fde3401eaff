package keymgr

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a partner's texts in bytes.
const (
	maxName        = 200
	maxCallbackURL = 2000
)

// What the register refuses. The text around a sentinel says what was expected; errors.Is finds it.
var (
	ErrNotFound            = errors.New("no such partner or certificate")
	ErrExists              = errors.New("already registered")
	ErrInvalid             = errors.New("invalid")
	ErrNoCertificate       = errors.New("an active partner needs a valid certificate")
	ErrTooManyCertificates = fmt.Errorf("a partner holds at most %d valid certificates at once", maxCertificates)
	ErrKeyInUse            = errors.New("this public key belongs to another partner")
	ErrKeyRevoked          = errors.New("this public key was revoked and cannot come back")
	ErrNeedsApproval       = errors.New("this has to be prepared by one person and approved by another")
	ErrSamePerson          = errors.New("whoever prepared a change cannot approve it")
	ErrDecided             = errors.New("this change was approved or withdrawn already")
)

// referenceID is what a reference id looks like: safe in a log line, a file name and a URL.
var referenceID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)

var providerCode = regexp.MustCompile(`^[A-Z0-9][A-Z0-9_-]{0,63}$`)

// fold maps a reference id to the name that existing key managers would keep its certificate under, where two ids that
// look alike to people meet.
func fold(reference string) string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToUpper(reference))
}

// AllPermissions lists the permissions there are.
func AllPermissions() []Permission { return []Permission{Resolve, Details, Link, Update, Unlink} }

// checked returns the partner as it will be stored, or what is wrong with it.
func (p Partner) checked() (Partner, error) {
	if !referenceID.MatchString(p.ReferenceID) {
		return p, fmt.Errorf("%w reference id: expected a letter or digit, then at most 63 letters, digits or . _ : -", ErrInvalid)
	}
	if p.Name == "" {
		p.Name = p.ReferenceID
	}
	if len(p.Name) > maxName || !utf8.ValidString(p.Name) || strings.ContainsFunc(p.Name, unicode.IsControl) {
		return p, fmt.Errorf("%w name: expected at most %d bytes of text without control characters", ErrInvalid, maxName)
	}
	if p.Status == "" {
		p.Status = Draft
	}
	if !slices.Contains([]Status{Draft, Active, Suspended}, p.Status) {
		return p, fmt.Errorf("%w status %.40q: expected draft, active or suspended", ErrInvalid, p.Status)
	}
	if err := checkCallbackURL(p.CallbackURL); err != nil {
		return p, err
	}
	if err := p.Limits.check(); err != nil {
		return p, err
	}
	var err error
	if p.Permissions, err = checkedPermissions(p.Permissions); err != nil {
		return p, err
	}
	p.FAProviders, err = checkedProviders(p.FAProviders)
	return p, err
}

// checkedPermissions returns the permissions once each, in the order of [AllPermissions].
func checkedPermissions(permissions []Permission) ([]Permission, error) {
	for _, p := range permissions {
		if !slices.Contains(AllPermissions(), p) {
			return nil, fmt.Errorf("%w permission %.40q: expected some of %s", ErrInvalid, p, join(AllPermissions(), ", "))
		}
	}
	return slices.DeleteFunc(AllPermissions(), func(p Permission) bool { return !slices.Contains(permissions, p) }), nil
}

// checkedProviders returns DFSP codes in upper case, sorted, once each.
func checkedProviders(codes []string) ([]string, error) {
	upper := make([]string, 0, len(codes))
	for _, code := range codes {
		code = strings.ToUpper(code)
		if !providerCode.MatchString(code) {
			return nil, fmt.Errorf("%w FA provider %.80q: expected a DFSP code of letters, digits, _ and -", ErrInvalid, code)
		}
		upper = append(upper, code)
	}
	slices.Sort(upper)
	return slices.Compact(upper), nil
}

// join and split store short lists in one column.
func join[T ~string](list []T, separator string) string {
	texts := make([]string, len(list))
	for i, item := range list {
		texts[i] = string(item)
	}
	return strings.Join(texts, separator)
}

func split[T ~string](text string) []T {
	if text == "" {
		return nil
	}
	parts := strings.Split(text, ",")
	list := make([]T, len(parts))
	for i, part := range parts {
		list[i] = T(part)
	}
	return list
}
