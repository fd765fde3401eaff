package web

import (
	"bytes"
	"log/slog"
	"net/http"

	"github.com/a-h/templ"
	"github.com/gin-gonic/gin"
)

// Render writes a page or a fragment. It is built completely first, so that a component that fails half-way becomes a
// clean 500 and session changes made while rendering still reach the browser.
func Render(c *gin.Context, status int, component templ.Component) {
	var page bytes.Buffer
	if err := component.Render(c.Request.Context(), &page); err != nil {
		slog.ErrorContext(c.Request.Context(), "page not rendered", "route", c.FullPath(), "error", err)
		WriteFailure(c.Writer, c.Request, http.StatusInternalServerError)
		return
	}
	c.Data(status, "text/html; charset=utf-8", page.Bytes())
}
