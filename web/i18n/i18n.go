// Package i18n owns every text a person reads in the portal: one catalogue file per language under locales, the choice of
// the language, and the writing of dates and numbers. Handlers and templates ask it by key and hold no text themselves.
// A language is added by adding its file.
package i18n

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	goi18n "github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// Default is the language of texts that a catalogue lacks, and of people whose language there is no catalogue for.
const Default = "en"

//go:embed locales/*.json
var locales embed.FS

// catalogue is every language of this build. It is parsed once and never changes: the files are part of the binary.
var catalogue = sync.OnceValue(func() *texts {
	t, err := load(locales)
	if err != nil {
		panic(err) // a broken embedded file; the tests load it
	}
	return t
})

// texts are the catalogues. A language's code is its file's name, which is also what the session keeps and what the page
// sends back; its tag is the code in the form that browsers and screen readers know best: fil for tl.
type texts struct {
	codes      []string // the default first, as the matcher falls back to the first
	tags       []language.Tag
	matcher    language.Matcher
	localizers map[string]*goi18n.Localizer
}

func load(files fs.FS) (*texts, error) {
	bundle := goi18n.NewBundle(language.Make(Default))
	bundle.RegisterUnmarshalFunc("json", json.Unmarshal)
	names, err := fs.Glob(files, "locales/*.json")
	if err != nil {
		return nil, fmt.Errorf("list the catalogues: %w", err)
	}
	t := &texts{
		codes: []string{Default}, tags: []language.Tag{language.Make(Default)}, localizers: map[string]*goi18n.Localizer{},
	}
	for _, name := range names {
		if _, err := bundle.LoadMessageFileFS(files, name); err != nil {
			return nil, fmt.Errorf("load the catalogue %s: %w", name, err)
		}
		code := strings.TrimSuffix(path.Base(name), ".json")
		t.localizers[code] = goi18n.NewLocalizer(bundle, code, Default)
		if code != Default {
			t.codes, t.tags = append(t.codes, code), append(t.tags, language.Make(code))
		}
	}
	t.matcher = language.NewMatcher(t.tags)
	return t, nil
}

type contextKey struct{}

// With says which language the texts of a request are in; see [Negotiate].
func With(ctx context.Context, lang string) context.Context {
	return context.WithValue(ctx, contextKey{}, lang)
}

// Language of the context, [Default] where none was set.
func Language(ctx context.Context) string {
	if lang, ok := ctx.Value(contextKey{}).(string); ok && Has(lang) {
		return lang
	}
	return Default
}

// Negotiate picks the language to answer in: the person's own choice where it is one of ours, else the best match for the
// browser's Accept-Language header, else [Default].
func Negotiate(chosen, acceptLanguage string) string {
	if Has(chosen) {
		return chosen
	}
	// One language that nobody knows would spoil the whole header.
	known := slices.DeleteFunc(strings.Split(acceptLanguage, ","), func(one string) bool {
		_, _, err := language.ParseAcceptLanguage(one)
		return err != nil
	})
	wanted, _, err := language.ParseAcceptLanguage(strings.Join(known, ","))
	if err != nil || len(wanted) == 0 {
		return Default
	}
	_, index, confidence := catalogue().matcher.Match(wanted...)
	if confidence == language.No {
		return Default
	}
	return catalogue().codes[index]
}

// Tag names the context's language as browsers, screen readers and login providers do (BCP 47), for lang attributes and
// headers. It differs from the code where another name is preferred: fil for tl.
func Tag(ctx context.Context) string { return language.Make(Language(ctx)).String() }

// Has reports whether there is a catalogue of the language.
func Has(lang string) bool {
	_, ok := catalogue().localizers[lang]
	return ok
}

// Choice is a language the person can choose.
type Choice struct {
	Code      string
	Tag       string // for a lang attribute
	Name      string // in the language itself
	Direction string
}

// Languages lists the languages there are catalogues for, the default first.
func Languages() []Choice {
	choices := make([]Choice, 0, len(catalogue().codes))
	for _, code := range catalogue().codes {
		ctx := With(context.Background(), code)
		choices = append(choices, Choice{Code: code, Tag: Tag(ctx), Name: T(ctx, "language.name"), Direction: Direction(ctx)})
	}
	return choices
}

// Direction of the language's writing, as in HTML's dir attribute: ltr or rtl.
func Direction(ctx context.Context) string { return T(ctx, "language.direction") }

// T returns the text of a key in the context's language. Arguments are pairs of a placeholder's name and its value; a
// placeholder called count also chooses the plural form. Values that are written in the other direction than the language
// are set apart, so that a Latin name keeps its order within an Arabic sentence. An unknown key is returned as it is, which
// the tests look for.
func T(ctx context.Context, key string, args ...any) string {
	config := goi18n.LocalizeConfig{MessageID: key}
	if len(args) > 0 {
		data := make(map[string]any, len(args)/2)
		for i := 0; i+1 < len(args); i += 2 {
			name, _ := args[i].(string)
			data[name] = args[i+1]
			if value, ok := args[i+1].(string); ok {
				data[name] = isolate(ctx, value)
			}
			if name == "count" {
				config.PluralCount = args[i+1]
			}
		}
		config.TemplateData = data
	}
	// Localize returns a text of the default language together with an error when only that one has the key.
	text, _ := catalogue().localizers[Language(ctx)].Localize(&config)
	if text == "" {
		return key
	}
	return led(ctx, text)
}
