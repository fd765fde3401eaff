// Package brand is what makes the portal its host's own: the name, the logo, the colour, and whom to ask for help. It
// checks what was configured, and makes of it a small stylesheet and a picture, both served under [Prefix].
package brand

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"spar/static"
	"spar/web/i18n"
)

// Prefix of the URL path of the brand's files.
const Prefix = "/brand/"

// Options are what can be configured. Texts are by language; [i18n.Default] is for the languages that have none.
type Options struct {
	Name      map[string]string // of the service; empty: the portal's own
	ShortName map[string]string // in the head of every page
	Logo      string            // path of an SVG or PNG file
	Accent    string            // colour, as #rrggbb
	Support   Support
}

// Support is whom people can ask. What is empty is not shown.
type Support struct {
	Phone string
	URL   string
	Text  map[string]string // such as opening hours
}

// Problem is something in the options that cannot work.
type Problem struct {
	Key  string // such as support.phone
	Text string
}

// The longest texts, in characters: longer ones do not fit where they stand.
const (
	longestName      = 80
	longestShortName = 40
	longestText      = 200
)

var phonePattern = regexp.MustCompile(`^\+?[0-9][0-9 ()./-]{1,24}$`)

// Check returns everything in the options that cannot work. Files are only read where they are needed: by a server.
func (o Options) Check(serving bool) []Problem {
	var problems []Problem
	add := func(ok bool, key, format string, args ...any) {
		if !ok {
			problems = append(problems, Problem{key, fmt.Sprintf(format, args...)})
		}
	}
	for key, texts := range map[string]map[string]string{"name": o.Name, "short_name": o.ShortName, "support.text": o.Support.Text} {
		longest := map[string]int{"name": longestName, "short_name": longestShortName, "support.text": longestText}[key]
		add(len(texts) == 0 || texts[i18n.Default] != "", key+"."+i18n.Default, "expected a text in English, for languages without one of their own")
		for language, text := range texts {
			add(i18n.Has(language), key+"."+language, "expected one of the portal's languages: %s", strings.Join(languages(), ", "))
			add(strings.TrimSpace(text) != "" && utf8.RuneCountInString(text) <= longest, key+"."+language, "expected a text of at most %d characters", longest)
		}
	}
	add(o.Support.Phone == "" || phonePattern.MatchString(o.Support.Phone), "support.phone", "expected a phone number, such as +63 2 8123 4567, or nothing")
	add(o.Support.URL == "" || isWeb(o.Support.URL), "support.url", "expected an https:// address, or nothing")
	if o.Accent != "" {
		_, err := newPalette(o.Accent)
		add(err == nil, "accent", "%v", err)
	}
	if o.Logo != "" && serving {
		_, err := readLogo(o.Logo)
		add(err == nil, "logo", "expected the path of an SVG or PNG file of at most %d KiB: %v", largestLogo>>10, err)
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Key, b.Key) })
	return problems
}

func languages() []string {
	var codes []string
	for _, choice := range i18n.Languages() {
		codes = append(codes, choice.Code)
	}
	return codes
}

func isWeb(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil
}

// Brand is a checked brand with its files. A nil Brand is the portal's own look.
type Brand struct {
	options Options
	files   *static.Files
	logo    string // name of the file; empty: none
	style   string
}

// New reads the files and makes the stylesheet.
func New(o Options) (*Brand, error) {
	b := &Brand{options: o}
	contents := map[string][]byte{}
	if o.Accent != "" {
		palette, err := newPalette(o.Accent)
		if err != nil {
			return nil, fmt.Errorf("brand.accent: %w", err)
		}
		b.style = "brand.css"
		contents[b.style] = []byte(palette.stylesheet())
	}
	if o.Logo != "" {
		logo, err := readLogo(o.Logo)
		if err != nil {
			return nil, fmt.Errorf("brand.logo: %w", err)
		}
		b.logo = "logo" + strings.ToLower(filepath.Ext(o.Logo))
		contents[b.logo] = logo
	}
	b.files = static.NewFiles(Prefix, contents)
	return b, nil
}

func readLogo(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > largestLogo {
		return nil, fmt.Errorf("%s has %d bytes", path, info.Size())
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return content, checkLogo(path, content)
}

// ServeHTTP serves the brand's files.
func (b *Brand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b == nil {
		http.NotFound(w, r)
		return
	}
	b.files.ServeHTTP(w, r)
}

// Name of the service in a language; empty: the portal's own.
func (b *Brand) Name(language string) string {
	if b == nil {
		return ""
	}
	return in(language, b.options.Name)
}

// ShortName of the service in a language; empty: the portal's own.
func (b *Brand) ShortName(language string) string {
	if b == nil {
		return ""
	}
	return in(language, b.options.ShortName)
}

// Logo is the URL of the logo; empty if there is none.
func (b *Brand) Logo() string {
	if b == nil || b.logo == "" {
		return ""
	}
	return b.files.URL(b.logo)
}

// Stylesheet is the URL of a stylesheet that follows the portal's own; empty if there is none.
func (b *Brand) Stylesheet() string {
	if b == nil || b.style == "" {
		return ""
	}
	return b.files.URL(b.style)
}

// Support is whom to ask, with the text in a language. It may be empty.
func (b *Brand) Support(language string) (phone, address, text string) {
	if b == nil {
		return "", "", ""
	}
	s := b.options.Support
	return s.Phone, s.URL, in(language, s.Text)
}

func in(language string, texts map[string]string) string {
	if text := texts[language]; text != "" {
		return text
	}
	return texts[i18n.Default]
}
