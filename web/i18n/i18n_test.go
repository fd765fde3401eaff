package i18n_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"spar/web/i18n"
)

func TestNegotiate(t *testing.T) {
	for _, test := range []struct{ name, chosen, accept, want string }{
		{"nothing said", "", "", "en"},
		{"the choice", "en", "fr", "en"},
		{"a choice we do not have", "xx", "en-GB", "en"},
		{"a region", "", "en-PH,en;q=0.8", "en"},
		{"no language of ours", "", "zz", "en"},
		{"not a header", "", "\x00;;;q=", "en"},
	} {
		t.Run(test.name, func(t *testing.T) {
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
	at := time.Date(2026, time.November, 4, 9, 5, 0, 0, time.UTC)
	if got, want := i18n.DateTime(t.Context(), at), "4 November 2026, 09:05"; got != want {
		t.Errorf("DateTime = %q, want %q", got, want)
	}
	if got, want := i18n.Number(t.Context(), 180000), "180,000"; got != want {
		t.Errorf("Number = %q, want %q", got, want)
	}
}

var placeholder = regexp.MustCompile(`{{\s*\.(\w+)\s*}}`)

// catalogue reads a language's file: the text of each key, all plural forms in one.
func catalogue(t *testing.T, file string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]any
	if err := json.Unmarshal(content, &raw); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	texts := map[string]string{}
	for key, value := range raw {
		switch value := value.(type) {
		case string:
			texts[key] = value
		case map[string]any:
			for _, form := range value {
				text, _ := form.(string)
				texts[key] += text + "\n"
			}
		}
		if strings.TrimSpace(texts[key]) == "" {
			t.Errorf("%s: %s has no text", file, key)
		}
	}
	return texts
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
	english := catalogue(t, "locales/"+i18n.Default+".json")
	files, err := filepath.Glob("locales/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(i18n.Languages()) {
		t.Errorf("%d files, but %d languages", len(files), len(i18n.Languages()))
	}
	for _, file := range files {
		texts := catalogue(t, file)
		for key, text := range english {
			if _, ok := texts[key]; !ok {
				t.Errorf("%s lacks %s", file, key)
			} else if got, want := placeholders(texts[key]), placeholders(text); !slices.Equal(got, want) {
				t.Errorf("%s: %s has the placeholders %v, want %v", file, key, got, want)
			}
		}
		for key := range texts {
			if _, ok := english[key]; !ok {
				t.Errorf("%s has %s, which %s lacks", file, key, i18n.Default)
			}
		}
	}
}
