package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"
)

// IsFragment reports whether htmx asked for a part of a page. It is a hint about the shape of the answer and never about
// what the caller may do. It also notes in the answer that it varies.
func IsFragment(c *gin.Context) bool {
	c.Writer.Header().Add("Vary", "HX-Request")
	h := c.Request.Header
	return h.Get("HX-Request") == "true" && h.Get("HX-Boosted") == "" && h.Get("HX-History-Restore-Request") == ""
}

// Redirect leads the browser to a local path: 303, or for htmx the header that makes it load the page. A path that does
// not pass [LocalPath] becomes "/".
func Redirect(c *gin.Context, path string) {
	path = LocalPath(path, "/")
	if IsFragment(c) {
		c.Header("HX-Redirect", path)
		c.Status(http.StatusNoContent)
		c.Writer.WriteHeaderNow()
		return
	}
	c.Redirect(http.StatusSeeOther, path)
}

// LocalPath returns path if a browser will certainly stay on this site with it, otherwise fallback. It must begin with
// one slash and hold printable ASCII without backslash; browsers read //host and /\host as other sites and drop control
// characters.
func LocalPath(path, fallback string) string {
	if len(path) > 2048 || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") {
		return fallback
	}
	for _, r := range path {
		if r <= ' ' || r >= 0x7f || r == '\\' {
			return fallback
		}
	}
	u, err := url.Parse(path)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Fragment != "" {
		return fallback
	}
	// The same must hold once more for whatever decodes the path before it uses it.
	if strings.HasPrefix(u.Path, "//") || strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
		return fallback
	}
	return path
}
