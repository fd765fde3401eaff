package web

import (
	"github.com/gin-gonic/gin"

	"spar/web/i18n"
)

// Localize chooses the language of each answer: what the person chose here, else what the browser prefers. Gin
// middleware, inside [Sessions.Wrap].
func (s *Sessions) Localize() gin.HandlerFunc {
	return func(c *gin.Context) {
		ctx := c.Request.Context()
		language := i18n.Negotiate(s.Language(ctx), c.GetHeader("Accept-Language"))
		c.Writer.Header().Add("Vary", "Accept-Language")
		c.Header("Content-Language", language)
		c.Request = c.Request.WithContext(i18n.With(ctx, language))
		c.Next()
	}
}
