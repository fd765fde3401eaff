package i18n_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"spar/web/i18n"
)

var placeholder = regexp.MustCompile(`{{\s*\.(\w+)\s*}}`)

// message is one entry of a catalogue: a text, or the forms of one that counts. A reason says why it may be the same as in
// English: go-i18n calls that the description.
type message struct {
	forms  map[string]string
	reason string
}

func (m message) all() string { return strings.Join(slices.Sorted(maps.Values(m.forms)), "\n") }

func readCatalogue(t *testing.T, file string) map[string]message {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(content, &raw); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	messages := map[string]message{}
	for key, value := range raw {
		m := message{forms: map[string]string{}}
		switch value := value.(type) {
		case string:
			m.forms["other"] = value
		case map[string]any:
			for form, text := range value {
				text, ok := text.(string)
				if !ok {
					t.Errorf("%s: %s has the form %s that is no text", file, key, form)
				}
				if form == "description" {
					m.reason = text
				} else {
					m.forms[form] = text
				}
			}
		}
		messages[key] = m
	}
	return messages
}

func placeholders(text string) []string {
	var names []string
	for _, found := range placeholder.FindAllStringSubmatch(text, -1) {
		names = append(names, found[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Every language has every key of the default language, no other ones, and the same placeholders.
func TestCataloguesAreComplete(t *testing.T) {
	english := readCatalogue(t, "locales/"+i18n.Default+".json")
	files, err := filepath.Glob("locales/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(i18n.Languages()) {
		t.Errorf("%d files, but %d languages", len(files), len(i18n.Languages()))
	}
	for _, file := range files {
		messages := readCatalogue(t, file)
		for key, want := range english {
			m, ok := messages[key]
			switch {
			case !ok:
				t.Errorf("%s lacks %s", file, key)
			case !slices.Equal(placeholders(m.all()), placeholders(want.all())):
				t.Errorf("%s: %s has the placeholders %v, want %v", file, key, placeholders(m.all()), placeholders(want.all()))
			case len(want.forms) > 1 && len(m.forms) < 2:
				t.Errorf("%s: %s counts, but has one form", file, key)
			}
		}
		for key := range messages {
			if _, ok := english[key]; !ok {
				t.Errorf("%s has %s, which %s lacks", file, key, i18n.Default)
			}
		}
	}
}

// Whatever is counted, there is a form for it in every language: the plural rules ask for forms that are easily forgotten.
func TestPluralsAreComplete(t *testing.T) {
	counts := []int{1000, 1_000_000, 2_000_000, 1_000_001}
	for n := range 130 {
		counts = append(counts, n)
	}
	for key, m := range readCatalogue(t, "locales/"+i18n.Default+".json") {
		if len(m.forms) < 2 {
			continue
		}
		for _, choice := range i18n.Languages() {
			for _, n := range counts {
				if text := i18n.T(i18n.With(t.Context(), choice.Code), key, "count", n); text == key {
					t.Errorf("%s: %s has no form for %d", choice.Code, key, n)
					break
				}
			}
		}
	}
}

// faults are what no text of any language has.
var faults = []struct {
	what string
	is   *regexp.Regexp
}{
	{"a blank at an end, or two in a row", regexp.MustCompile(`(?m)^[ \x{a0}]|[ \x{a0}]$|[ \x{a0}][ \x{a0}]`)},
	{"a breaking blank before a sign", regexp.MustCompile(` [:;?!»]|« `)},
	{"a Latin sign behind an Arabic letter", regexp.MustCompile(`\p{Arabic}[,;?]`)},
	{"a straight apostrophe or quotation mark", regexp.MustCompile(`\pL'\pL|"`)},
	{"three dots for an ellipsis", regexp.MustCompile(`\.\.\.`)},
	{"an embedding or a mark of direction; isolates (U+2066 to U+2069) do less harm", regexp.MustCompile(`[\x{200e}\x{200f}\x{202a}-\x{202e}]`)},
	{"an isolate without its end", regexp.MustCompile(`[\x{2066}-\x{2068}][^\x{2069}]*$`)},
}

// A translation is one, ends as the English text does, and follows the rules of printing. A text that is the same as in
// English says why, in its description.
func TestTranslationsAreClean(t *testing.T) {
	english := readCatalogue(t, "locales/"+i18n.Default+".json")
	for _, choice := range i18n.Languages() {
		if choice.Code == i18n.Default {
			continue
		}
		for key, m := range readCatalogue(t, "locales/"+choice.Code+".json") {
			want := english[key]
			if placeholder.ReplaceAllString(m.all(), "") == "" && m.all() == "" {
				t.Errorf("%s: %s has no text", choice.Code, key)
			}
			words := strings.ContainsFunc(placeholder.ReplaceAllString(m.all(), ""), unicode.IsLetter)
			for form, text := range m.forms {
				for _, fault := range faults {
					if words && fault.is.MatchString(text) {
						t.Errorf("%s: %s (%s) has %s: %q", choice.Code, key, form, fault.what, text)
					}
				}
			}
			if words && m.reason == "" && m.all() == want.all() {
				t.Errorf("%s: %s is as in English: %q", choice.Code, key, m.all())
			}
			if m.reason != "" && m.all() != want.all() {
				t.Errorf("%s: %s says why it is as in English, and is not", choice.Code, key)
			}
			for form, text := range m.forms {
				if got, want := ending(text), ending(want.forms["other"]); got != want {
					t.Errorf("%s: %s (%s) ends with %q, want %q: %q", choice.Code, key, form, got, want, text)
				}
			}
		}
	}
}

// ending is the sign that ends a text: a sentence stays a sentence, a question a question.
func ending(text string) string {
	last, _ := utf8.DecodeLastRuneInString(text)
	switch last {
	case '.', ':', '…':
		return string(last)
	case '?', '؟':
		return "?"
	}
	return ""
}
