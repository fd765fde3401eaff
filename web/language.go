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
		ctx = i18n.With(ctx, language)
		c.Header("Content-Language", i18n.Tag(ctx))
		c.Request = c.Request.WithContext(ctx)
		c.Next()
	}
}
