package mosip

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"spar/keymgr"
)

// Refused is the key manager's own "no": the codes of its errors. Its texts are left out, for they may repeat what was
// sent.
type Refused struct{ Codes []string }

// Error names every code and what it means for us.
func (r *Refused) Error() string { return "the key manager answered " + r.answers() }

// answers lists its codes with what they mean.
func (r *Refused) answers() string {
	texts := make([]string, len(r.Codes))
	for i, code := range r.Codes {
		texts[i] = code + " (" + meaning(code) + ")"
	}
	return strings.Join(texts, ", ")
}

// has reports whether a code is among the errors.
func (r *Refused) has(code string) bool { return slices.Contains(r.Codes, code) }

var errorCode = regexp.MustCompile(`^[A-Z]{3}-[A-Z]{3}-[0-9]{3}$`)

// maxCodes is how many errors of one answer are kept.
const maxCodes = 5

// refused makes an error of an answer with errors: an outage if a code says so, otherwise a [*Refused].
func refused(list []remoteError) error {
	r := &Refused{}
	for _, e := range list[:min(len(list), maxCodes)] {
		if !errorCode.MatchString(e.Code) {
			e.Code = "an unknown code"
		}
		r.Codes = append(r.Codes, e.Code)
	}
	switch {
	case r.has("KER-ATH-401"):
		return errUnauthorized
	case r.has("KER-ATH-403"), slices.ContainsFunc(r.Codes, broke):
		return unavailable("%w", r)
	}
	return r
}

// broke tells the codes by which the key manager says that something is wrong with itself.
func broke(code string) bool {
	return slices.Contains([]string{"KER-KMS-500", "KER-CSS-102", "KER-KMS-007", "KER-KMS-008"}, code)
}

// aboutThePartner tells the codes that speak of this signature or this partner's certificate, and not of how the key
// manager or this service is set up.
func aboutThePartner(code string) bool {
	return slices.Contains([]string{
		"KER-JWS-102", "KER-JWS-105", "KER-JWS-106", "KER-JWS-107", "KER-KMS-013", "KER-KMS-016", "KER-KMS-017", "KER-KMS-033",
	}, code)
}

// isAnswer tells an answer of a healthy key manager, though it is a "no".
func isAnswer(err error) bool {
	_, ok := errors.AsType[*Refused](err)
	return ok && !errors.Is(err, keymgr.ErrUnavailable)
}

// meaning says in words for operators what a code means for an application that keeps partners' certificates there.
func meaning(code string) string {
	if text, ok := meanings()[code]; ok {
		return text
	}
	return "see the key manager's log"
}

func meanings() map[string]string {
	return map[string]string{
		"KER-KMS-001": "the certificate is not valid now",
		"KER-KMS-002": "the application id is not in the key manager's key policy: add it there, or correct key_manager.application_id",
		"KER-KMS-003": "the key manager holds several current certificates for this reference id: remove all but one there",
		"KER-KMS-005": "an id or the certificate is blank or malformed",
		"KER-KMS-013": "the key manager cannot parse the certificate",
		"KER-KMS-016": "the certificate there has expired, or its pre-expiry days have begun: upload the next one",
		"KER-KMS-017": "the certificate is not in its store",
		"KER-KMS-026": "the application may not hold keys",
		"KER-KMS-027": "the same certificate is there already",
		"KER-KMS-030": "this reference id is reserved for the key manager's own elliptic curve keys: register the partner under another",
		"KER-KMS-031": "KERNEL with SIGN is the key manager's own key: choose another application id or reference id",
		"KER-KMS-032": "a valid key of another kind is there under this reference id",
		"KER-KMS-033": "what is current under this reference id is no partner's certificate",
		"KER-KMS-034": "the key manager made a key pair of its own for this reference id, because somebody asked it for one: delete that key there, or register the partner under another reference id",
		"KER-KMS-035": "the same certificate is there already",
		"KER-KMS-500": "internal error of the key manager: see its log",
		"KER-CSS-102": "internal error of the key manager: see its log",
		"KER-JWS-102": "the signature is empty",
		"KER-JWS-105": "the signature cannot be read",
		"KER-JWS-106": "the signature's header cannot be read",
		"KER-JWS-107": "the certificate there is not valid now",
		"KER-ATH-403": "our client lacks the role for it",
	}
}
