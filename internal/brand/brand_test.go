package brand_test

import (
	"bytes"
	"image"
	"image/png"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"spar/internal/brand"
)

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func fetch(b *brand.Brand, address string) *http.Response {
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	return w.Result()
}

func picture(t *testing.T, width int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, 10))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const drawing = `<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><defs><path id="a" d="M0 0h10"/></defs><use href="#a"/></svg>`

func TestCheck(t *testing.T) {
	svg := func(content string) string { return write(t, "logo.svg", []byte(content)) }
	for _, test := range []struct {
		name    string
		options brand.Options
		want    string // key and part of the text; empty: no problem
	}{
		{"nothing", brand.Options{}, ""},
		{"everything", brand.Options{
			Name: map[string]string{"en": "Pension Service", "fr": "Service des pensions"}, ShortName: map[string]string{"en": "Pensions"},
			Logo: svg(drawing), Accent: "#7A1F3D",
			Support: brand.Support{Phone: "+63 (2) 8123-4567", URL: "https://help.example.org/a?b=c", Text: map[string]string{"en": "Mondays to Fridays, 8 to 17"}},
		}, ""},
		{"PNG", brand.Options{Logo: write(t, "Logo.PNG", picture(t, 100))}, ""},
		{"no English name", brand.Options{Name: map[string]string{"fr": "Service"}}, "name.en: expected a text in English"},
		{"no such language", brand.Options{ShortName: map[string]string{"en": "A", "xx": "B"}}, "short_name.xx: expected one of the portal's languages"},
		{"long name", brand.Options{ShortName: map[string]string{"en": strings.Repeat("é", 41)}}, "short_name.en: expected a text of at most 40"},
		{"name of spaces", brand.Options{Name: map[string]string{"en": "  "}}, "name.en: expected a text of at most 80"},
		{"colour by name", brand.Options{Accent: "teal"}, "accent: expected a colour with six hexadecimal digits"},
		{"short colour", brand.Options{Accent: "#fff"}, "accent: expected a colour"},
		{"see-through colour", brand.Options{Accent: "#0f5f5780"}, "accent: expected a colour"},
		{"white", brand.Options{Accent: "#ffffff"}, "accent: #ffffff is too light"},
		{"almost white", brand.Options{Accent: "#fffde0"}, "Choose a darker colour of the same kind, such as #"},
		{"phone", brand.Options{Support: brand.Support{Phone: "call us"}}, "support.phone: expected a phone number"},
		{"plain address", brand.Options{Support: brand.Support{URL: "http://example.org"}}, "support.url: expected an https:// address"},
		{"script as address", brand.Options{Support: brand.Support{URL: "javascript:alert(1)"}}, "support.url: expected an https:// address"},
		{"no file", brand.Options{Logo: "/no/such.svg"}, "logo: expected the path of an SVG or PNG file"},
		{"other kind", brand.Options{Logo: write(t, "logo.gif", []byte("GIF89a"))}, "ends in neither .svg nor .png"},
		{"not a PNG", brand.Options{Logo: write(t, "logo.png", []byte(drawing))}, "is not a PNG"},
		{"wide PNG", brand.Options{Logo: write(t, "logo.png", picture(t, 3000))}, "is larger than 2048 pixels"},
		{"large file", brand.Options{Logo: svg(drawing + strings.Repeat(" ", 17<<10))}, "logo: expected the path of an SVG or PNG file of at most 16 KiB"},
		{"not XML", brand.Options{Logo: svg("<svg><g></svg>")}, "is not XML"},
		{"empty", brand.Options{Logo: svg("")}, "holds no picture"},
		{"HTML", brand.Options{Logo: svg("<html/>")}, "begins with <html>"},
		{"script", brand.Options{Logo: svg(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)}, "holds <script>"},
		{"script in a namespace", brand.Options{Logo: svg(`<svg xmlns:x="http://www.w3.org/2000/svg"><x:SCRIPT/></svg>`)}, "holds <SCRIPT>"},
		{"handler", brand.Options{Logo: svg(`<svg onload="alert(1)"/>`)}, "has the attribute onload"},
		{"page inside", brand.Options{Logo: svg(`<svg><foreignObject/></svg>`)}, "holds <foreignObject>"},
		{"link", brand.Options{Logo: svg(`<svg xmlns:xlink="http://www.w3.org/1999/xlink"><a xlink:href="javascript:alert(1)"/></svg>`)}, "refers to something outside"},
		{"image elsewhere", brand.Options{Logo: svg(`<svg><image href="https://example.org/a.png"/></svg>`)}, "refers to something outside"},
		{"entities", brand.Options{Logo: svg(`<!DOCTYPE svg [<!ENTITY a "b">]><svg/>`)}, "document type with declarations"},
		{"stylesheet elsewhere", brand.Options{Logo: svg(`<?xml-stylesheet href="https://example.org/a.css"?><svg/>`)}, "processing instruction"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, problem := range test.options.Check(true) {
				got = append(got, problem.Key+": "+problem.Text)
			}
			text := strings.Join(got, "\n")
			if test.want == "" && text != "" || test.want != "" && !strings.Contains(text, test.want) {
				t.Errorf("problems %q, want %q", text, test.want)
			}
			if _, err := brand.New(test.options); err == nil && (strings.HasPrefix(test.want, "accent") || strings.HasPrefix(test.want, "logo")) {
				t.Error("a brand was made of it all the same")
			}
		})
	}
}

// Whatever a host draws, a browser that opens it runs nothing.
func TestFiles(t *testing.T) {
	b, err := brand.New(brand.Options{Logo: write(t, "logo.svg", []byte(drawing)), Accent: "#7a1f3d"})
	if err != nil {
		t.Fatal(err)
	}
	for address, contentType := range map[string]string{b.Logo(): "image/svg+xml", b.Stylesheet(): "text/css; charset=utf-8"} {
		if !regexp.MustCompile(`^/brand/[a-z]+\.[0-9a-f]{12}\.[a-z]+$`).MatchString(address) {
			t.Errorf("address %q", address)
		}
		answer := fetch(b, address)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != contentType || !strings.Contains(answer.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %v", address, answer.StatusCode, answer.Header)
		}
	}
	if policy := fetch(b, b.Logo()).Header.Get("Content-Security-Policy"); policy != "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox" {
		t.Errorf("the logo is sent with the policy %q", policy)
	}
	if answer := fetch(b, "/brand/logo.svg"); answer.StatusCode != http.StatusNotFound {
		t.Errorf("without the hash: status %d", answer.StatusCode)
	}
	var none *brand.Brand
	if answer := fetch(none, "/brand/logo.svg"); answer.StatusCode != http.StatusNotFound || none.Logo()+none.Stylesheet()+none.Name("en") != "" {
		t.Error("no brand has something")
	}
}

func TestTextsByLanguage(t *testing.T) {
	b, err := brand.New(brand.Options{Name: map[string]string{"en": "Pensions", "fr": "Retraites"}, Support: brand.Support{Phone: "1800", Text: map[string]string{"en": "All day"}}})
	if err != nil {
		t.Fatal(err)
	}
	phone, _, text := b.Support("fr")
	if got := []string{b.Name("fr"), b.Name("tl"), b.ShortName("en"), phone, text}; !slices.Equal(got, []string{"Retraites", "Pensions", "", "1800", "All day"}) {
		t.Errorf("got %q", got)
	}
}

// Every colour either becomes a palette that can be read, or is refused. The contrasts are computed here once more, from
// what a browser is told.
func TestContrast(t *testing.T) {
	refused := 0
	var steps []string
	for _, step := range []int{0, 0x40, 0x80, 0xc0, 0xff} {
		steps = append(steps, strconv.FormatInt(int64(0x100+step), 16)[1:])
	}
	for _, r := range steps {
		for _, g := range steps {
			for _, blue := range steps {
				accent := "#" + r + g + blue
				b, err := brand.New(brand.Options{Accent: accent})
				if err != nil {
					refused++
					if luminance(accent) < .8 {
						t.Errorf("%s is refused: %v", accent, err)
					}
					continue
				}
				checkStylesheet(t, accent, fetch(b, b.Stylesheet()))
			}
		}
	}
	if refused == 0 || refused > 10 {
		t.Errorf("%d of 125 colours are refused", refused)
	}
}

var variable = regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]{6})`)

func checkStylesheet(t *testing.T, accent string, answer *http.Response) {
	t.Helper()
	var text bytes.Buffer
	if _, err := text.ReadFrom(answer.Body); err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(text.String(), "prefers-color-scheme:dark")
	if !ok {
		t.Fatalf("%s: no dark colours in %s", accent, text.String())
	}
	colours := map[string]string{"paper": "#f8f5ef", "surface": "#ffffff", "ink": "#1f2326", "quiet": "#565149"}
	for _, found := range variable.FindAllStringSubmatch(light, -1) {
		colours[found[1]] = found[2]
	}
	if colours["fill"] != accent || colours["masthead"] != accent {
		t.Errorf("%s: buttons are %s, the head is %s", accent, colours["fill"], colours["masthead"])
	}
	check := func(scheme string) {
		t.Helper()
		for _, pair := range []struct {
			a, b string
			want float64
		}{
			{"accent", "paper", 4.5}, {"accent", "surface", 4.5}, {"accent", "accent-soft", 4.5}, {"on-accent", "accent", 4.5},
			{"on-fill", "fill", 4.5}, {"on-fill", "fill-hover", 4.5}, {"ink", "accent-soft", 4.5}, {"quiet", "accent-soft", 4.5},
			{"fill-edge", "paper", 3}, {"fill-edge", "surface", 3}, {"on-masthead", "masthead", 4.5},
		} {
			if got := contrast(colours[pair.a], colours[pair.b]); got < pair.want {
				t.Errorf("%s, %s: %s on %s has a contrast of %.2f, want %.1f", accent, scheme, pair.a, pair.b, got, pair.want)
			}
		}
	}
	check("light")
	maps.Copy(colours, map[string]string{"paper": "#161819", "surface": "#202325", "ink": "#eeece8", "quiet": "#b8b2a8"})
	for _, found := range variable.FindAllStringSubmatch(dark, -1) {
		colours[found[1]] = found[2]
	}
	check("dark")
}

func contrast(a, b string) float64 {
	x, y := luminance(a), luminance(b)
	return (math.Max(x, y) + .05) / (math.Min(x, y) + .05)
}

func luminance(hex string) float64 {
	n, err := strconv.ParseUint(strings.TrimPrefix(hex, "#"), 16, 32)
	if err != nil {
		return math.NaN()
	}
	sum := 0.0
	for i, weight := range []float64{.0722, .7152, .2126} {
		c := float64(n>>(8*i)&0xff) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

// The palette is derived for the colours that app.css has.
func TestColoursAreThoseOfTheStylesheet(t *testing.T) {
	css, err := os.ReadFile("../../static/app.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, _ := strings.Cut(string(css), "prefers-color-scheme: dark")
	for where, colours := range map[string][]string{
		light: {"--paper: #f8f5ef", "--ink: #1f2326", "--quiet: #565149", "--surface: #fff"},
		dark:  {"--paper: #161819", "--surface: #202325", "--ink: #eeece8", "--quiet: #b8b2a8"},
	} {
		for _, colour := range colours {
			if !strings.Contains(where, colour) {
				t.Errorf("app.css does not say %s", colour)
			}
		}
	}
}
