package web_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"spar/web"
)

func TestLocalPath(t *testing.T) {
	for path, local := range map[string]bool{
		"/": true, "/account": true, "/account/history?page=2": true, "/a%20b": true, "/account?next=https://evil.test": true,
		"": false, "account": false, "//evil.test": false, `/\evil.test`: false, `\\evil.test`: false, `\/evil.test`: false,
		"https://evil.test": false, "https:evil.test": false, "javascript:alert(1)": false, "///evil.test": false,
		"/\tevil.test": false, "\t//evil.test": false, " //evil.test": false, "/a\nb": false, "/a\r\nSet-Cookie:x=y": false,
		"/%2fevil.test": false, "/%5cevil.test": false, "/a%0d%0ab": false, "/a\x00": false, "/ä": false, "/a#b": false,
		"/%zz": false, "/" + strings.Repeat("a", 3000): false,
	} {
		want := "/home"
		if local {
			want = path
		}
		if got := web.LocalPath(path, "/home"); got != want {
			t.Errorf("%q: got %q", path, got)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/", "/account?a=b", "//evil", `/\evil`, "/%2fevil", "https:evil"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://spar.example.org/auth/login/x")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := web.LocalPath(path, "/")
		// What browsers do before they resolve: drop tab, CR and LF, read a backslash as a slash.
		browser := strings.NewReplacer("\t", "", "\r", "", "\n", "", `\`, "/").Replace(got)
		u, err := base.Parse(browser)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme {
			t.Errorf("%q leads to %v, %v", path, u, err)
		}
	})
}

func TestRedirect(t *testing.T) {
	gin.SetMode(gin.TestMode)
	for _, test := range []struct {
		name, path string
		header     map[string]string
		status     int
		location   string
		hx         string
	}{
		{"page", "/account", nil, 303, "/account", ""},
		{"fragment", "/account", map[string]string{"HX-Request": "true"}, 204, "", "/account"},
		{"boosted", "/account", map[string]string{"HX-Request": "true", "HX-Boosted": "true"}, 303, "/account", ""},
		{"history", "/account", map[string]string{"HX-Request": "true", "HX-History-Restore-Request": "true"}, 303, "/account", ""},
		{"foreign", "//evil.test", nil, 303, "/", ""},
		{"foreign fragment", "https://evil.test", map[string]string{"HX-Request": "true"}, 204, "", "/"},
	} {
		w := httptest.NewRecorder()
		c, _ := gin.CreateTestContext(w)
		c.Request = httptest.NewRequest("POST", "/x", nil)
		for name, value := range test.header {
			c.Request.Header.Set(name, value)
		}
		web.Redirect(c, test.path)
		c.Writer.WriteHeaderNow()
		if w.Code != test.status || w.Header().Get("Location") != test.location || w.Header().Get("HX-Redirect") != test.hx || w.Header().Get("Vary") != "HX-Request" {
			t.Errorf("%s: %d %v", test.name, w.Code, w.Header())
		}
	}
}
