package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"spar/templates"
)

// left asks like the script does how long the session still lasts.
func (b *browser) left(method string, form url.Values) (left, last int) {
	b.t.Helper()
	b.header.Set("Accept", "application/json")
	defer b.header.Del("Accept")
	s := b.send(method, "/auth/session", form)
	var answer struct{ Left, Last *int }
	if err := json.Unmarshal([]byte(s.body), &answer); err != nil || s.status != http.StatusOK || answer.Left == nil || answer.Last == nil {
		b.t.Fatalf("%s /auth/session: status %d, %q", method, s.status, s.body)
	}
	return *answer.Left, *answer.Last
}

func token(s *screen) url.Values {
	value, _ := s.Find("[name=" + templates.FormTokenField + "]").Attr("value")
	return url.Values{templates.FormTokenField: {value}}
}

func about(seconds int, want time.Duration) bool {
	return time.Duration(seconds)*time.Second > want-3*time.Second && time.Duration(seconds)*time.Second <= want
}

// Asking how long a session lasts does not prolong it; using it does, up to its last end.
func TestSessionLeft(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	account := b.get("/account")
	p.later(10 * time.Minute)
	for range 2 {
		if left, last := b.left(http.MethodGet, nil); !about(left, 5*time.Minute) || !about(last, 7*time.Hour+50*time.Minute) {
			t.Fatalf("after ten minutes: %d, %d seconds left", left, last)
		}
	}
	if left, _ := b.left(http.MethodPost, token(account)); !about(left, 15*time.Minute) {
		t.Errorf("after staying: %d seconds left", left)
	}
	p.later(14 * time.Minute)
	b.get("/account/history") // in another tab
	if left, _ := b.left(http.MethodGet, nil); !about(left, 15*time.Minute) {
		t.Errorf("after use in another tab: %d seconds left", left)
	}
	for range 32 { // of the lifetime of eight hours, 24 minutes are over
		p.later(14 * time.Minute)
		b.get("/account")
	}
	s := b.get("/account").has("#session [data-stay]", "Stay signed in")
	if left, last := b.left(http.MethodGet, nil); left != last || !about(left, 8*time.Minute) {
		t.Errorf("near the last end: %d, %d seconds left", left, last)
	}
	if got := s.text("[data-session-note]"); !strings.Contains(got, "After that, sign in again.") || s.Find("[data-session-note] a").AttrOr("href", "") != "/auth/login/national-id?return=%2Faccount" {
		t.Errorf("near the last end the page says %q", got)
	}
	p.later(9 * time.Minute)
	if left, _ := b.left(http.MethodGet, nil); left != 0 {
		t.Errorf("after the end: %d seconds left", left)
	}
}

// Every page says, to those without scripts too, when the session ends, and has a way to keep it.
func TestSessionNote(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	s := b.get("/account/history")
	want := "If you do nothing, you are signed out at " + p.now().Add(15*time.Minute).UTC().Format("15:04") + ". Stay signed in"
	s.has("[data-session-note]", want)
	if href := s.Find("[data-session-note] a").AttrOr("href", ""); href != "/account/history" {
		t.Errorf("the way to stay leads to %q", href)
	}
	dialog := s.Find("dialog#session")
	for attribute, want := range map[string]string{"data-warn": "120", "data-ended": "/auth/session-ended?return=%2Faccount%2Fhistory", "role": "alertdialog"} {
		if got := dialog.AttrOr(attribute, ""); got != want {
			t.Errorf("%s is %q, want %q", attribute, got, want)
		}
	}
	home := p.browser(t).get("/")
	if home.Find("dialog, [data-session-note]").Length() != 0 {
		t.Error("a page for nobody in particular speaks of a session")
	}
}

// Whoever comes after the end learns that, and that nothing was done; the login leads back.
func TestSessionEnded(t *testing.T) {
	for name, send := range map[string]func(b *browser, form url.Values) *screen{
		"page": func(b *browser, _ url.Values) *screen {
			return b.leadsTo(b.get("/account/history"), "/auth/session-ended?return=%2Faccount%2Fhistory")
		},
		"form": func(b *browser, form url.Values) *screen {
			s := b.send(http.MethodPost, "/account/change", form)
			if s.status != http.StatusForbidden {
				b.t.Errorf("form: status %d", s.status)
			}
			return s
		},
		"fragment": func(b *browser, form url.Values) *screen {
			return b.get(b.htmx().send(http.MethodPost, "/account/change", form).header.Get("HX-Redirect"))
		},
		"language": func(b *browser, form url.Values) *screen {
			form.Set("return_to", "/account/history")
			return b.send(http.MethodPost, "/language", form)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPortal(t)
			b := p.signedIn(t, amina)
			form := token(b.get("/account/change"))
			form.Set("kind", "bank")
			p.later(16 * time.Minute)
			s := send(b, form)
			s.t = t
			s.has("h1", "You were signed out").lacks("error-summary", amina.ID, amina.Name)
			back := "%2Faccount%2Fchange"
			if name == "page" || name == "language" {
				back = "%2Faccount%2Fhistory"
			}
			if href := s.Find("main .button").AttrOr("href", ""); href != "/auth/login/national-id?return="+back {
				t.Errorf("the login leads to %q", href)
			}
			said := s.text("main")
			if name == "page" != strings.Contains(said, "Nothing was changed.") || name != "page" != strings.Contains(said, "What you sent just now was not done") {
				t.Errorf("it says %q", said)
			}
			b.logIn(amina)
			b.leadsTo(b.get("/auth/session-ended?return=%2Faccount%2Fhistory"), "/account/history").shows(http.StatusOK, "History of changes")
		})
	}
}

// The address of the page about the end leads nowhere else.
func TestSessionEndedLeadsNowhereElse(t *testing.T) {
	b := newPortal(t).browser(t)
	for _, back := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, ""} {
		s := b.get("/auth/session-ended?return="+url.QueryEscape(back)).shows(http.StatusOK, "You were signed out")
		if href := s.Find("main .button").AttrOr("href", ""); href != "/auth/login/national-id?return=%2Faccount" {
			t.Errorf("return %q: the login leads to %q", back, href)
		}
	}
}
