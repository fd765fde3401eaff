package i18n

import (
	"context"
	"strings"

	"golang.org/x/text/unicode/bidi"
)

// The characters that set a text apart from the direction of what surrounds it: first strong isolate, and its end.
const (
	isolateBegin = "\u2068"
	isolateEnd   = "\u2069"
)

// marks are characters without a shape, each of a direction.
var marks = map[string]string{"ltr": "\u200e", "rtl": "\u200f"}

// isolate sets a value apart if it would change its order, or that of the words around it, in the language's direction:
// a name of the other direction, or digits with signs between them, such as a phone number.
func isolate(ctx context.Context, value string) string {
	rightToLeft := Direction(ctx) == "rtl"
	digits, signs, letters, other := false, false, false, false
	for _, r := range value {
		class, _ := bidi.LookupRune(r)
		switch class.Class() {
		case bidi.L:
			letters, other = true, other || rightToLeft
		case bidi.R, bidi.AL:
			letters, other = true, other || !rightToLeft
		case bidi.EN, bidi.AN:
			digits = true
		case bidi.FSI, bidi.PDI: // set apart already, within a longer value
		default:
			signs = signs || !strings.ContainsRune(",.", r)
		}
	}
	if other || rightToLeft && digits && signs && !letters {
		return isolateBegin + value + isolateEnd
	}
	return value
}

// led makes a text that begins with a value set apart begin with its own direction: elements that find theirs by the first
// letter (bdi, dir=auto) look into what is set apart as well.
func led(ctx context.Context, text string) string {
	if strings.HasPrefix(text, isolateBegin) {
		return marks[Direction(ctx)] + text
	}
	return text
}
