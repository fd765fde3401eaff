package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"spar/internal/browsertest"
	"spar/internal/demo"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/web/i18n"
)

// visitor looks at pages in one browser, as one person after another.
type visitor struct {
	*browsertest.Tab
	demo       *demonstration
	catalogues map[string]*catalogue // by language
	titles     map[string]string     // which page of a language has the title
	pictures   bool
	bank       bank   // a partner to be
	list       string // of branches, to import
}

// page is one that is looked at in every language. It must not matter how often it is opened.
type page struct {
	name string
	path string                  // where it is, or where the way to it begins
	way  func(v *visitor)        // the rest of the way; nothing if that is all
	does func(v *visitor)        // what has to be done once before
	at   func(v *visitor) string // finds the path, if it is not known before
}

// Every page, in every language, in light and dark colours, on a small and a large screen: nobody finds one that they
// cannot use, cannot read or cannot pay for. Pictures of all are kept where go test is told to keep artifacts.
func TestPages(t *testing.T) {
	d := startDemo(t)
	v := &visitor{
		Tab:  browsertest.Open(t, browsertest.Options{Axe: filepath.Join("node_modules", "axe-core", "axe.min.js")}),
		demo: d, bank: newBank(t), catalogues: readCatalogues(t), titles: map[string]string{},
		pictures: flag.Lookup("test.artifacts").Value.String() == "true",
	}
	providers, branches := mappertest.IFSC(300)
	providers = slices.DeleteFunc(providers, func(p mapper.DFSP) bool { return p.Code != "SBIN" })
	branches = slices.DeleteFunc(branches, func(b mapper.Branch) bool { return b.DFSP != "SBIN" })
	if err := d.app.directory.Load(t.Context(), providers, branches); err != nil {
		t.Fatal(err)
	}
	var err error
	if v.list, err = branchList(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	for _, someone := range visits() {
		t.Run(someone.name, func(t *testing.T) {
			v.In(t)
			v.Forget()
			v.Prefer(i18n.Default)
			if someone.person != "" {
				v.Visit(d.banner.BaseURL + someone.entry)
				v.Click("button[value=" + someone.person + "]")
				v.Shows("form[action='/auth/logout']")
			}
			for _, p := range someone.pages {
				t.Run(p.name, func(t *testing.T) { v.look(t, p, someone.name) })
			}
		})
	}
}

// look opens a page in each language and checks it.
func (v *visitor) look(t *testing.T, p page, who string) {
	v.In(t)
	v.Prefer(i18n.Default)
	if p.does != nil {
		p.does(v)
	}
	if p.at != nil {
		p.path = p.at(v)
	}
	for _, language := range i18n.Languages() {
		v.Complaints()
		v.Prefer(language.Tag)
		v.Scheme("light")
		v.Visit(v.demo.banner.BaseURL + p.path)
		if p.way != nil {
			p.way(v)
		}
		bad := func(format string, args ...any) {
			t.Helper()
			t.Errorf(language.Code+": "+format, args...)
		}
		seen := v.Inspect()
		if seen.Lang != language.Tag || seen.Dir != language.Direction {
			bad("lang=%q dir=%q", seen.Lang, seen.Dir)
		}
		if len(seen.Headings) != 1 {
			bad("headings of the first level: %q", seen.Headings)
		}
		if seen.Bytes > v.mayWeigh(p) {
			bad("%d bytes, %d may be", seen.Bytes, v.mayWeigh(p))
		}
		if seen.Loaded > 50_000 {
			bad("%d bytes are loaded", seen.Loaded)
		}
		where, _, _ := strings.Cut(idInPath.ReplaceAllString(v.Path(), "…"), "?")
		if other, ok := v.titles[language.Code+seen.Title]; ok && other != where && !strings.HasPrefix(p.name, "not found") {
			bad("%s has the title %q of %s", where, seen.Title, other)
		}
		v.titles[language.Code+seen.Title] = where
		for _, text := range v.catalogues[language.Code].left(seen.Texts) {
			bad("%s", text)
		}
		for _, violation := range v.Finds(false) {
			bad("%s", violation)
		}
		v.picture(who, p.name, language.Code, "wide")
		v.Scheme("dark")
		v.Width(320)
		for _, violation := range v.Finds(true) {
			bad("%s", violation)
		}
		if language.Code == i18n.Default {
			v.picture(who, p.name, language.Code, "dark-narrow")
		}
		v.Scheme("light")
		v.picture(who, p.name, language.Code, "narrow")
		if seen := v.Inspect(); seen.Width > 320 {
			bad("%d pixels wide on a screen of 320", seen.Width)
		}
		v.Width(1200)
		for _, complaint := range v.Complaints() {
			if !strings.Contains(complaint, "the server responded with a status of") {
				bad("the browser complains: %s", complaint)
			}
		}
	}
}

// mayWeigh is how many bytes a page may have before compression. Staff have a wire where beneficiaries have 2G.
func (v *visitor) mayWeigh(p page) int {
	if strings.HasPrefix(p.path, "/admin") {
		return 20_000
	}
	return 15_000
}

// asked makes the sample bank ask where somebody's money goes.
func (v *visitor) asked(id string) {
	v.bank.run("sh", "-c", demo.ResolveCommand(v.demo.banner.BaseURL, v.demo.banner.KeyPath, id))
}

func (v *visitor) picture(name ...string) {
	if v.pictures {
		v.Picture(strings.ReplaceAll(strings.Join(name, "-"), " ", "-"))
	}
}

// catalogue knows what must not be on a page of a language.
type catalogue struct {
	families map[string]bool
	english  map[string]bool // texts that have another wording in the language
	patterns []pattern       // the same of texts with placeholders
	known    map[string]string
}

type pattern struct {
	longest string
	whole   *regexp.Regexp
}

var (
	idInPath = regexp.MustCompile(`[0-9a-f-]{36}`)
	holes    = regexp.MustCompile(`{{[^}]*}}`)
	rawKey   = regexp.MustCompile(`\b[a-z_]+(?:\.[a-z0-9_]+)+\b`)
	unspoken = strings.NewReplacer("\u2066", "", "\u2067", "", "\u2068", "", "\u2069", "", "\u200e", "", "\u200f", "", "\u061c", "", "\u00a0", " ")
)

func readCatalogues(t *testing.T) map[string]*catalogue {
	t.Helper()
	read := func(language string) map[string]any {
		content, err := os.ReadFile(filepath.Join("web", "i18n", "locales", language+".json"))
		messages := map[string]any{}
		if err == nil {
			err = json.Unmarshal(content, &messages)
		}
		if err != nil {
			t.Fatal(err)
		}
		return messages
	}
	english := read(i18n.Default)
	catalogues := map[string]*catalogue{}
	for _, language := range i18n.Languages() {
		c := &catalogue{families: map[string]bool{}, english: map[string]bool{}, known: map[string]string{}}
		catalogues[language.Code] = c
		own := read(language.Code)
		same := map[string]bool{} // as English
		for key := range english {
			family, _, _ := strings.Cut(key, ".")
			c.families[family] = true
			for _, text := range forms(own[key]) {
				same[text] = true
			}
		}
		for key, value := range english {
			if _, ok := own[key]; !ok || language.Code == i18n.Default {
				continue
			}
			for _, text := range forms(value) {
				if !same[text] {
					c.add(text)
				}
			}
		}
	}
	return catalogues
}

// forms of a message: one, or those of one that counts.
func forms(value any) []string {
	switch value := value.(type) {
	case string:
		return []string{value}
	case map[string]any:
		var list []string
		for form, text := range value {
			if text, ok := text.(string); ok && form != "description" {
				list = append(list, text)
			}
		}
		return list
	}
	return nil
}

func (c *catalogue) add(text string) {
	parts := holes.Split(text, -1)
	if len(parts) == 1 {
		if strings.ToLower(text) != text || strings.Contains(text, " ") { // else it may as well be a name of something
			c.english[text] = true
		}
		return
	}
	longest := slices.MaxFunc(parts, func(a, b string) int { return len(a) - len(b) })
	if len(strings.Fields(longest)) < 2 { // little more than what is filled in
		return
	}
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	c.patterns = append(c.patterns, pattern{longest, regexp.MustCompile("^" + strings.Join(parts, ".+") + "$")})
}

// left returns what is wrong with the texts of a page.
func (c *catalogue) left(texts []string) []string {
	var list []string
	for _, text := range texts {
		text = unspoken.Replace(text)
		problem, ok := c.known[text]
		if !ok {
			problem = c.judge(text)
			c.known[text] = problem
		}
		if problem != "" {
			list = append(list, problem)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (c *catalogue) judge(text string) string {
	for _, word := range rawKey.FindAllString(text, -1) {
		family, rest, _ := strings.Cut(word, ".")
		if c.families[family] && rest != "csv" {
			return "a key of the catalogue: " + word
		}
	}
	if c.english[text] {
		return "English: " + text
	}
	for _, p := range c.patterns {
		if strings.Contains(text, p.longest) && p.whole.MatchString(text) {
			return "English: " + text
		}
	}
	return ""
}
