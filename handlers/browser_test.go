package handlers_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"spar/web"
)

// browser is one person's browser. It keeps cookies, follows no redirect by itself, and reads pages as HTML.
type browser struct {
	t      *testing.T
	portal *portal
	client *http.Client
	header http.Header // sent with every request
}

func (p *portal) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, portal: p, header: http.Header{}, client: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// signedIn is the browser of somebody who logged in just now.
func (p *portal) signedIn(t *testing.T, user web.User) *browser {
	t.Helper()
	b := p.browser(t)
	b.logIn(user)
	return b
}

func (b *browser) logIn(user web.User) {
	b.t.Helper()
	b.portal.signIn = user
	if answer := b.send(http.MethodPost, "/test/sign-in", nil); answer.status != http.StatusOK {
		b.t.Fatalf("sign-in: status %d", answer.status)
	}
}

// htmx makes the browser ask as htmx does.
func (b *browser) htmx() *browser {
	header := b.header.Clone()
	header.Set("HX-Request", "true")
	return &browser{t: b.t, portal: b.portal, client: b.client, header: header}
}

// screen is an answer.
type screen struct {
	*goquery.Document
	t      *testing.T
	path   string
	status int
	header http.Header
	body   string
}

func (b *browser) send(method, path string, form url.Values) *screen {
	b.t.Helper()
	contentType := ""
	if method == http.MethodPost {
		contentType = "application/x-www-form-urlencoded"
	}
	return b.sendAs(method, path, contentType, strings.NewReader(form.Encode()))
}

func (b *browser) sendAs(method, path, contentType string, sent io.Reader) *screen {
	b.t.Helper()
	request, err := http.NewRequestWithContext(b.t.Context(), method, b.portal.server.URL+path, sent)
	if err != nil {
		b.t.Fatal(err)
	}
	for name, values := range b.header {
		request.Header[name] = values
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := b.client.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	document, err := goquery.NewDocumentFromReader(bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	return &screen{Document: document, t: b.t, path: path, status: response.StatusCode, header: response.Header, body: string(body)}
}

func (b *browser) get(path string) *screen {
	b.t.Helper()
	return b.send(http.MethodGet, path, nil)
}

// submit sends a form of the screen, with its hidden fields and what is given.
func (b *browser) submit(s *screen, selector string, values url.Values) *screen {
	b.t.Helper()
	form := s.Find(selector)
	action, _ := form.Attr("action")
	if form.Length() != 1 || action == "" {
		b.t.Fatalf("%s has %d forms %s:\n%s", s.path, form.Length(), selector, s.Find("main").Text())
	}
	sent := url.Values{}
	form.Find("input[type=hidden]").Each(func(_ int, input *goquery.Selection) {
		name, _ := input.Attr("name")
		value, _ := input.Attr("value")
		sent.Set(name, value)
	})
	for name, list := range values {
		sent[name] = list
	}
	return b.send(http.MethodPost, action, sent)
}

// leadsTo checks for a redirect and follows it.
func (b *browser) leadsTo(s *screen, path string) *screen {
	b.t.Helper()
	if got := s.header.Get("Location"); s.status != http.StatusSeeOther || got != path {
		b.t.Fatalf("%s: status %d to %q, want a redirect to %s\n%s", s.path, s.status, got, path, strings.TrimSpace(s.Find("main").Text()))
	}
	return b.get(path)
}

// shows checks the status and the heading.
func (s *screen) shows(status int, heading string) *screen {
	s.t.Helper()
	if got := strings.TrimSpace(s.Find("h1").Text()); s.status != status || got != heading {
		s.t.Fatalf("%s: status %d, %q; want %d, %q", s.path, s.status, got, status, heading)
	}
	return s
}

// text of an element, with single spaces.
func (s *screen) text(selector string) string {
	return strings.Join(strings.Fields(s.Find(selector).Text()), " ")
}

// has checks the text of an element.
func (s *screen) has(selector, want string) *screen {
	s.t.Helper()
	if got := s.text(selector); got != want {
		s.t.Errorf("%s: %s is %q, want %q", s.path, selector, got, want)
	}
	return s
}

// lacks checks that a text is nowhere in the answer.
func (s *screen) lacks(texts ...string) *screen {
	s.t.Helper()
	for _, text := range texts {
		if strings.Contains(s.body, text) {
			s.t.Errorf("%s contains %q", s.path, text)
		}
	}
	return s
}

// linkBank goes through the whole change to a bank account and returns the page at the end.
func (b *browser) linkBank(branch, number string) *screen {
	b.t.Helper()
	s := b.toCheck(branch, number)
	return b.leadsTo(b.submit(s, "main form", nil), "/account/done")
}

// toCheck goes through the change to a bank account as far as the last look.
func (b *browser) toCheck(branch, number string) *screen {
	b.t.Helper()
	s := b.get("/account/change").shows(http.StatusOK, "Where do you want your money to go?")
	b.leadsTo(b.submit(s, "main form", url.Values{"kind": {"bank"}}), "/account/change/bank")
	s = b.get("/account/change/bank?q=green").shows(http.StatusOK, "Which bank branch holds your account?")
	s = b.leadsTo(b.submit(s, "#results form", url.Values{"branch": {branch}}), "/account/change/bank/details")
	s.shows(http.StatusOK, "What is your account number?")
	s = b.leadsTo(b.submit(s, "main form", url.Values{"account_number": {number}}), "/account/check")
	return s.shows(http.StatusOK, "Check before you confirm")
}
