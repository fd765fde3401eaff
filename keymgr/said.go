package keymgr

import "fmt"

// Said is a text for people about a key, a certificate or a signature: an error, or part of an explanation. As an error
// and in JSON it is in English; who writes in another language goes by its code and values.
type Said struct {
	Code   string
	Values []any // texts and numbers in the order of the sentence; one may be a *Said itself
	format string
}

// Say makes a text. The format has one verb for each value.
func Say(code, format string, values ...any) *Said { return &Said{code, values, format} }

// Error is the text in English; empty if there is none.
func (s *Said) Error() string {
	if s == nil {
		return ""
	}
	return fmt.Sprintf(s.format, s.Values...)
}

// MarshalText writes the English text, for JSON.
func (s *Said) MarshalText() ([]byte, error) { return []byte(s.Error()), nil }

// clip shortens what somebody else wrote, such as the name in a certificate.
func clip(text string) string {
	if letters := []rune(text); len(letters) > 100 {
		return string(letters[:100])
	}
	return text
}
