package i18n_test

import (
	"context"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/text/language"

	"spar/web/i18n"
)

func TestNegotiate(t *testing.T) {
	for _, test := range []struct{ name, chosen, accept, want string }{
		{"nothing said", "", "", "en"},
		{"the choice", "en", "fr", "en"},
		{"a choice we do not have", "xx", "en-GB", "en"},
		{"a region", "", "en-PH,en;q=0.8", "en"},
		{"the language's other name", "", "fil-PH,en;q=0.8", "tl"},
		{"the language's own name", "", "tl", "tl"},
		{"one not ours before one of ours", "", "zz,fr-BF;q=0.9,en;q=0.8", "fr"},
		{"a choice against the browser's", "ar", "fr", "ar"},
		{"no language of ours", "", "zz", "en"},
		{"not a header", "", "\x00;;;q=", "en"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !i18n.Has(test.want) {
				return
			}
			if got := i18n.Negotiate(test.chosen, test.accept); got != test.want {
				t.Errorf("Negotiate(%q, %q) = %q, want %q", test.chosen, test.accept, got, test.want)
			}
		})
	}
}

func TestT(t *testing.T) {
	ctx := i18n.With(t.Context(), "en")
	for _, test := range []struct {
		name, got, want string
	}{
		{"plain", i18n.T(ctx, "action.back"), "Back"},
		{"argument", i18n.T(ctx, "home.continue", "provider", "<National> ID"), "Continue with <National> ID"},
		{"one", i18n.T(ctx, "bank.found", "count", 1, "number", "1"), "1 branch found"},
		{"other", i18n.T(ctx, "bank.found", "count", 2, "number", "2"), "2 branches found"},
		{"unknown", i18n.T(ctx, "no.such.key"), "no.such.key"},
		{"no language set", i18n.T(context.Background(), "action.back"), "Back"},
		{"unknown language", i18n.T(i18n.With(ctx, "xx"), "action.back"), "Back"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", test.name, test.got, test.want)
		}
	}
}

func TestDatesAndNumbers(t *testing.T) {
	morning := time.Date(2026, time.November, 4, 9, 5, 0, 0, time.UTC)
	first := time.Date(2026, time.January, 1, 14, 30, 0, 0, time.UTC)
	for _, test := range []struct{ lang, morning, first, number, list string }{
		{"en", "4 November 2026, 09:05", "1 January 2026, 14:30", "1,180,000", "A, B"},
		{"fr", "4 novembre 2026 à 09 h 05", "1er janvier 2026 à 14 h 30", "1 180 000", "A, B"},
		{"tl", "Nobyembre 4, 2026, 9:05 AM", "Enero 1, 2026, 2:30 PM", "1,180,000", "A, B"},
		{"ar", "4 نوفمبر 2026، 9:05 ص", "1 يناير 2026، 2:30 م", "1,180,000", "\u200f\u2068A\u2069، \u2068B\u2069"},
	} {
		if !i18n.Has(test.lang) {
			continue
		}
		ctx := i18n.With(t.Context(), test.lang)
		for _, got := range [][2]string{
			{i18n.DateTime(ctx, morning), test.morning}, {i18n.DateTime(ctx, first), test.first},
			{i18n.Number(ctx, 1180000), test.number}, {i18n.List(ctx, []string{"A", "B"}), test.list},
		} {
			// Which kind of space is narrow or keeps lines together is left to the catalogue and to Unicode.
			if plain := strings.Map(plainSpace, got[0]); plain != got[1] {
				t.Errorf("%s: %q, want %q", test.lang, plain, got[1])
			}
		}
	}
}

func plainSpace(r rune) rune {
	if unicode.IsSpace(r) {
		return ' '
	}
	return r
}

// A value keeps its order within a sentence of the other direction, and leaves alone what stands around it.
func TestValuesAreSetApart(t *testing.T) {
	for _, test := range []struct{ name, lang, value, want string }{
		{"Latin name in English", "en", "Rural Bank (Tondo)", "Rural Bank (Tondo)"},
		{"Arabic name in English", "en", "بنك مصر", "\u2068بنك مصر\u2069"},
		{"Latin name in Arabic", "ar", "Rural Bank Inc.", "\u2068Rural Bank Inc.\u2069"},
		{"Arabic name in Arabic", "ar", "بنك مصر", "بنك مصر"},
		{"telephone number in Arabic", "ar", "+63 917 123 4567", "\u2068+63 917 123 4567\u2069"},
		{"telephone number in English", "en", "+63 917 123 4567", "+63 917 123 4567"},
		{"number in Arabic", "ar", "1,234", "1,234"},
		{"mask in Arabic", "ar", "•••• 6789", "\u2068•••• 6789\u2069"},
	} {
		if !i18n.Has(test.lang) {
			continue
		}
		ctx := i18n.With(t.Context(), test.lang)
		text, frame := i18n.T(ctx, "home.continue", "provider", test.value), i18n.T(ctx, "home.continue", "provider", "")
		if got := strings.TrimPrefix(text, frame); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A text that begins with such a value still shows its own direction to elements that look at the first letter.
func TestTextsLeadInTheirDirection(t *testing.T) {
	for _, choice := range i18n.Languages() {
		value, mark := "بنك مصر", "\u200e"
		if choice.Direction == "rtl" {
			value, mark = "Rural Bank", "\u200f"
		}
		ctx := i18n.With(t.Context(), choice.Code)
		if got := i18n.T(ctx, "account.branch", "branch", value, "town", value); !strings.HasPrefix(got, mark+"\u2068"+value+"\u2069") {
			t.Errorf("%s: %q", choice.Code, got)
		}
	}
}

// Browsers and screen readers hear the preferred name of a language; the catalogues' codes stay what they are.
func TestTag(t *testing.T) {
	for _, choice := range i18n.Languages() {
		if tag, err := language.Parse(choice.Code); err != nil || tag.String() != choice.Tag {
			t.Errorf("%s: the tag is %s, want %s (%v)", choice.Code, choice.Tag, tag, err)
		}
		if choice.Direction != "ltr" && choice.Direction != "rtl" {
			t.Errorf("%s: the direction is %q", choice.Code, choice.Direction)
		}
	}
}
