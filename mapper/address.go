package mapper

import (
	"errors"
	"log/slog"
	"strings"
)

// Limits of an ID and a financial address, in bytes.
const (
	maxIDLength = 256
	maxFALength = 512
)

// ID is a beneficiary's ID in the form [type:]value@provider, as it was given. IDs compare without regard to ASCII case.
type ID string

var (
	errIDForm = errors.New("ID must have the form type:value@provider, in printable ASCII without spaces, of at most 256 characters")
	errFAForm = errors.New("FA must be printable ASCII without spaces at its ends, of at most 512 characters")
)

// ParseID checks the form of an ID. The error says what is expected and does not repeat the value. It is written by hand
// because every item of every batch passes it.
func ParseID(value string) (ID, error) {
	local, provider, found := strings.Cut(value, "@")
	if !found || len(value) > maxIDLength || !isCode(provider) {
		return "", errIDForm
	}
	if kind, rest, typed := strings.Cut(local, ":"); typed {
		if !isCode(kind) {
			return "", errIDForm
		}
		local = rest
	}
	if local == "" {
		return "", errIDForm
	}
	for i := range len(local) {
		if c := local[i]; c <= ' ' || c > '~' || c == ':' {
			return "", errIDForm
		}
	}
	return ID(value), nil
}

// isCode reports whether a type or provider is made of letters, digits, and dots, dashes and underscores behind the first.
func isCode(s string) bool {
	for i := range len(s) {
		c := s[i]
		letterOrDigit := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letterOrDigit && (i == 0 || c != '.' && c != '-' && c != '_') {
			return false
		}
	}
	return s != ""
}

// LogValue keeps an ID out of every log.
func (ID) LogValue() slog.Value { return slog.StringValue("[ID]") }

// checkFAText refuses what no financial address may contain, whatever its strategy.
func checkFAText(value string) error {
	if len(value) > maxFALength || value != strings.Trim(value, " ") {
		return errFAForm
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return errFAForm
		}
	}
	return nil
}

// fold is the form in which IDs, financial addresses and DFSP codes are compared: ASCII letters in lower case, nothing
// else changed. Unicode folding would make equal what a bank holds apart.
func fold(value string) string {
	for i := range len(value) {
		if c := value[i]; 'A' <= c && c <= 'Z' {
			return foldSlow(value)
		}
	}
	return value
}

func foldSlow(value string) string {
	folded := []byte(value)
	for i, c := range folded {
		if 'A' <= c && c <= 'Z' {
			folded[i] = c + 'a' - 'A'
		}
	}
	return string(folded)
}

// Mask hides all but the last four characters of an account number, phone number or e-mail address; of a short one it
// shows the last one only, lest the mask reveal most of it.
func Mask(number string) string {
	runes := []rune(number)
	keep := 4
	if len(runes) < 8 {
		keep = 1
	}
	if len(runes) <= keep {
		return strings.Repeat("•", len(runes))
	}
	return strings.Repeat("•", 4) + string(runes[len(runes)-keep:])
}
