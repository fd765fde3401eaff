package handlers_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spar/internal/brand"
)

// A host's name, logo, colours and support contact are on every page; without them, the portal's own are.
func TestBrand(t *testing.T) {
	p := newPortal(t)
	home := p.browser(t).get("/").has(".brand", "Social Payments Account").has(".colophon-service", "Social Payments Account Registry")
	if home.Find("link[href^='/brand/'], .brand img, .support").Length() != 0 || home.Find(".brand svg").Length() != 1 {
		t.Error("without a brand, there is something of one")
	}
	logo := filepath.Join(t.TempDir(), "logo.svg")
	if err := os.WriteFile(logo, []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>`), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if p.login.Brand, err = brand.New(brand.Options{
		Name: map[string]string{"en": "Pension <Payments>", "fr": "Pensions de l'État"}, ShortName: map[string]string{"en": "Pensions"},
		Logo: logo, Accent: "#7a1f3d",
		Support: brand.Support{Phone: "+1 (202) 555-0142", URL: "https://help.example.org/", Text: map[string]string{"en": "Mondays", "fr": "Le lundi"}},
	}); err != nil {
		t.Fatal(err)
	}
	b := p.signedIn(t, amina)
	for _, path := range []string{"/", "/account", "/account/change", "/auth/profile", "/auth/failed/refused", "/auth/session-ended", "/nowhere"} {
		s := b.get(path)
		if s.status == http.StatusSeeOther {
			continue // signed in, there is no end to speak of
		}
		s.has(".brand", "Pensions").has(".colophon-service", "Pension <Payments>").has("footer .support p:last-child", "Mondays")
		if title := s.Find("title").Text(); !strings.HasSuffix(title, "– Pensions") {
			t.Errorf("%s has the title %q", path, title)
		}
		if href := s.Find("footer .support a").First().AttrOr("href", ""); href != "tel:+12025550142" {
			t.Errorf("%s: calling leads to %q", path, href)
		}
		for _, address := range []string{s.Find(".brand img").AttrOr("src", ""), s.Find("link[href^='/brand/']").AttrOr("href", "")} {
			if answer := b.get(address); answer.status != http.StatusOK || !strings.Contains(answer.header.Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %s is answered %d", path, address, answer.status)
			}
		}
		if sheets := s.Find("link[rel=stylesheet]"); !strings.HasPrefix(sheets.Last().AttrOr("href", ""), "/brand/") {
			t.Errorf("%s: the host's colours do not come last", path)
		}
	}
	// Where something went wrong, the page itself says whom to ask.
	p.browser(t).get("/nowhere").has("main .support p:last-child", "Mondays")
	french := p.browser(t)
	french.header.Set("Accept-Language", "fr")
	french.get("/").has(".colophon-service", "Pensions de l'État").has(".brand", "Pensions").has("footer .support p:last-child", "Le lundi")
}
