package handlers

import (
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// home says what this is and offers the login providers.
func (p *Portal) home(c *gin.Context) error {
	ctx := c.Request.Context()
	view := templates.HomeView{Page: p.frame(c.Request, templates.Elsewhere, i18n.T(ctx, "home.title"))}
	for _, provider := range p.Login.Providers.For(web.Beneficiary) {
		view.Logins = append(view.Logins, templates.LoginButton{
			Label: i18n.T(ctx, "home.continue", "provider", provider.Label(i18n.Language(ctx))),
			Href:  loginPath + url.PathEscape(provider.ID),
		})
	}
	web.Render(c, http.StatusOK, templates.HomePage(view))
	return nil
}

// chooseLanguage remembers the language and returns to the page.
func (p *Portal) chooseLanguage(c *gin.Context) error {
	if lang := c.PostForm("language"); i18n.Has(lang) {
		p.Sessions.SetLanguage(c.Request.Context(), lang)
	}
	web.Redirect(c, web.LocalPath(c.PostForm("return_to"), "/"))
	return nil
}
