package demo

import (
	"bytes"
	_ "embed"
	"net/http"
	"net/url"
	"slices"

	"github.com/a-h/templ"
	"golang.org/x/text/language"

	"spar/web/i18n"
)

//go:embed login.css
var stylesheet []byte

// loginView is what the login page shows.
type loginView struct {
	ID     string // of the login under way
	Client string // name of the application that asked
	Staff  bool   // it asked for staff: they come first
	Inbox  bool   // there is one
	People []Person
	Team   []Person
}

// showLogin lists the people. The page works without script and without cookies: the login's unguessable id is all.
func (p *Provider) showLogin(w http.ResponseWriter, r *http.Request) {
	l, err := p.storage.pending(r.URL.Query().Get("id"))
	if err != nil || l.Done() {
		p.render(w, r, http.StatusBadRequest, EndedPage())
		return
	}
	c := p.storage.clients[l.request.ClientID]
	v := loginView{ID: l.id, Client: c.Name, Staff: c.Staff, Inbox: p.inbox != nil}
	for _, person := range People() {
		if person.Staff() {
			v.Team = append(v.Team, person)
		} else {
			v.People = append(v.People, person)
		}
	}
	// Browsers apply form-action to the redirects after a form as well, and this one ends at the client.
	w.Header().Set("Content-Security-Policy", policy("'self' "+origin(l.request.RedirectURI)))
	p.render(w, r, http.StatusOK, LoginPage(v), l.request.UILocales...)
}

// takeLogin logs the chosen person in, or goes back with access_denied.
func (p *Provider) takeLogin(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "this form was sent by another site", http.StatusForbidden)
		return
	}
	if err := r.ParseForm(); err != nil {
		p.render(w, r, http.StatusBadRequest, EndedPage())
		return
	}
	id := r.PostForm.Get("id")
	if r.PostForm.Has("cancel") {
		p.denied(w, r, id)
		return
	}
	person, ok := PersonByKey(r.PostForm.Get("person"))
	if !ok {
		p.render(w, r, http.StatusBadRequest, EndedPage())
		return
	}
	if _, err := p.storage.choose(id, person); err != nil {
		p.render(w, r, http.StatusBadRequest, EndedPage())
		return
	}
	callback := p.op.AuthorizationEndpoint().Relative() + "/callback?id=" + url.QueryEscape(id)
	http.Redirect(w, r, callback, http.StatusSeeOther)
}

func (p *Provider) denied(w http.ResponseWriter, r *http.Request, id string) {
	l, err := p.storage.cancel(id)
	if err != nil {
		p.render(w, r, http.StatusBadRequest, EndedPage())
		return
	}
	to, err := url.Parse(l.request.RedirectURI)
	if err != nil {
		p.render(w, r, http.StatusBadRequest, EndedPage())
		return
	}
	http.Redirect(w, r, withQuery(to, url.Values{
		"error": {"access_denied"}, "state": {l.request.State}, "iss": {p.issuer},
	}), http.StatusSeeOther)
}

// showHome is where a logout without a way back ends.
func (p *Provider) showHome(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, http.StatusOK, HomePage(p.inbox != nil))
}

// render writes a page in the first language that there is one in: those that the client asked for, then the browser's.
func (p *Provider) render(w http.ResponseWriter, r *http.Request, status int, page templ.Component, asked ...language.Tag) {
	wanted := r.Header.Get("Accept-Language")
	for _, tag := range slices.Backward(asked) {
		wanted = tag.String() + "," + wanted
	}
	ctx := i18n.With(r.Context(), i18n.Negotiate("", wanted))
	var text bytes.Buffer
	if err := page.Render(ctx, &text); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the browser has gone: nothing is left to tell it
}

func serveStylesheet(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(stylesheet)
}

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
