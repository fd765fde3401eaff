package web_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"spar/migrations/dbtest"
	"spar/web"
)

// formApp is a server with a protected form. It counts what came through.
func formApp(t *testing.T) (server *httptest.Server, changed *int) {
	t.Helper()
	s := newSessions(t, dbtest.SQLite(t), newSeal(t), newClock(), t.Output())
	changed = new(int)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, s.FormToken(r.Context())) })
	mux.HandleFunc("GET /in", func(_ http.ResponseWriter, r *http.Request) {
		if err := s.SignIn(r.Context(), ana); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("GET /staff-in", func(_ http.ResponseWriter, r *http.Request) {
		if err := s.SignIn(r.Context(), web.User{Provider: "staff", Audience: web.Staff, Subject: "officer"}); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("/change", func(http.ResponseWriter, *http.Request) { *changed++ })
	refused := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	server = httptest.NewServer(s.Protect(mux, refused))
	t.Cleanup(server.Close)
	return server, changed
}

func fetch(t *testing.T, client *http.Client, link string) string {
	t.Helper()
	resp, err := client.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	return body(t, resp)
}

func TestProtect(t *testing.T) {
	server, changed := formApp(t)
	browser, other := newBrowser(t), newBrowser(t)
	visitor := fetch(t, browser, server.URL+"/form")
	fetch(t, browser, server.URL+"/in")
	token := fetch(t, browser, server.URL+"/form")
	foreign := fetch(t, other, server.URL+"/form")
	if again := fetch(t, browser, server.URL+"/form"); again != token {
		t.Error("the token changes between two pages: the first tab's form would fail")
	}
	for _, test := range []struct {
		name, method, form string
		header             map[string]string
		want               int
	}{
		{"good", "POST", "form_token=" + token, nil, 200},
		{"good, same origin", "POST", "form_token=" + token, map[string]string{"Sec-Fetch-Site": "same-origin"}, 200},
		{"no token", "POST", "a=b", nil, 403},
		{"no token, same origin", "POST", "a=b", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": server.URL}, 403},
		{"empty token", "POST", "form_token=", nil, 403},
		{"token of another browser", "POST", "form_token=" + foreign, nil, 403},
		{"token from before the login", "POST", "form_token=" + visitor, nil, 403},
		{"cut token", "POST", "form_token=" + token[1:], nil, 403},
		{"two tokens", "POST", "form_token=" + token + "&form_token=" + token, nil, 403},
		{"cross-site", "POST", "form_token=" + token, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"same-site", "POST", "form_token=" + token, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"other origin", "POST", "form_token=" + token, map[string]string{"Origin": "https://evil.test"}, 403},
		{"null origin", "POST", "form_token=" + token, map[string]string{"Origin": "null"}, 403},
		{"PUT", "PUT", "a=b", nil, 403},
		{"DELETE", "DELETE", "", nil, 403},
		{"unknown method", "LINK", "", nil, 403},
		{"method override", "POST", "_method=GET", map[string]string{"X-HTTP-Method-Override": "GET"}, 403},
		{"json", "POST", `{"form_token":"` + token + `"}`, map[string]string{"Content-Type": "application/json"}, 403},
		{"unreadable", "POST", "form_token=%zz", nil, 400},
		{"huge", "POST", "form_token=" + token + "&x=" + strings.Repeat("x", 70_000), nil, 413},
	} {
		before := *changed
		req, err := http.NewRequest(test.method, server.URL+"/change", strings.NewReader(test.form))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for name, value := range test.header {
			req.Header.Set(name, value)
		}
		resp, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.want || (*changed > before) != (test.want == 200) {
			t.Errorf("%s: got %d, want %d; %d changes", test.name, resp.StatusCode, test.want, *changed-before)
		}
	}
	if resp, err := other.PostForm(server.URL+"/change", url.Values{web.FormTokenField: {foreign}}); err != nil || resp.StatusCode != 200 {
		t.Errorf("form of a visitor who is not signed in: %v, %v", resp.Status, err)
	}
}

func TestFormTokenInQueryDoesNotCount(t *testing.T) {
	server, changed := formApp(t)
	browser := newBrowser(t)
	token := fetch(t, browser, server.URL+"/form")
	resp, err := browser.PostForm(server.URL+"/change?form_token="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 403 || *changed != 0 {
		t.Errorf("got %d, %d changes", resp.StatusCode, *changed)
	}
}

// A form with a file is protected like any other, and staff may send larger ones.
func TestProtectFiles(t *testing.T) {
	server, changed := formApp(t)
	for _, test := range []struct {
		name, login string
		size        int
		token       bool
		want        int
	}{
		{"good", "/in", 100, true, 200},
		{"no token", "/in", 100, false, 403},
		{"huge", "/in", 70_000, true, 413},
		{"staff", "/staff-in", 1 << 20, true, 200},
		{"staff without token", "/staff-in", 1 << 20, false, 403},
		{"staff, huge", "/staff-in", 5 << 20, true, 413},
	} {
		browser, before := newBrowser(t), *changed
		fetch(t, browser, server.URL+test.login)
		var form bytes.Buffer
		parts := multipart.NewWriter(&form)
		file, err := parts.CreateFormFile("file", "any.pem")
		if err != nil {
			t.Fatal(err)
		}
		file.Write(bytes.Repeat([]byte("x"), test.size))
		if test.token {
			parts.WriteField(web.FormTokenField, fetch(t, browser, server.URL+"/form"))
		}
		parts.Close()
		resp, err := browser.Post(server.URL+"/change", parts.FormDataContentType(), &form)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != test.want || (*changed > before) != (test.want == 200) {
			t.Errorf("%s: got %d, want %d; %d changes", test.name, resp.StatusCode, test.want, *changed-before)
		}
	}
}
