package handlers

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// listPartners lists the partners, or those whose name or reference id contains what is searched for.
func (a *Admin) listPartners(c *gin.Context) error {
	ctx := c.Request.Context()
	partners, err := a.Register.List(ctx)
	if err != nil {
		return err
	}
	query := strings.TrimSpace(c.Query("q"))
	if letters := []rune(query); len(letters) > searchLength {
		query = string(letters[:searchLength])
	}
	view := templates.PartnersView{
		Page:      a.frame(c.Request, templates.AdminPartners, i18n.T(ctx, "admin.partners.title")),
		MayChange: a.mayChange(c.Request), Query: query,
	}
	view.Partners = templates.Table{
		Caption: i18n.T(ctx, "admin.partners.title"), Columns: columns(ctx, "partner", "state", "permissions", "certificate"),
	}
	for _, p := range partners {
		if contains(p.Name, query) || contains(p.ReferenceID, query) {
			view.Partners.Rows = append(view.Partners.Rows, a.partnerRow(ctx, p))
		}
	}
	found := len(view.Partners.Rows)
	view.Found = i18n.T(ctx, "admin.partners.found", "count", found, "number", i18n.Number(ctx, found))
	if web.IsFragment(c) {
		web.Render(c, http.StatusOK, templates.PartnerList(view))
	} else {
		web.Render(c, http.StatusOK, templates.PartnersPage(view))
	}
	return nil
}

func contains(text, query string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(query))
}

func (a *Admin) partnerRow(ctx context.Context, p keymgr.Partner) []templates.Cell {
	certificate := mark(i18n.T(ctx, "admin.expiry.none"), templates.Neutral)
	if end := lastEnd(p); !end.IsZero() {
		certificate = expiryMark(ctx, end, a.Now())
		certificate.Detail = i18n.Date(ctx, end.In(a.Location))
	}
	state := statusMark(ctx, p.Status)
	return []templates.Cell{
		partnerCell(p), {Text: state.Text, Mark: state.Kind}, {Text: permissionsText(ctx, p.Permissions)}, certificate,
	}
}

func statusMark(ctx context.Context, status keymgr.Status) templates.Mark {
	kinds := map[keymgr.Status]string{keymgr.Active: templates.Good, keymgr.Draft: templates.Waiting, keymgr.Suspended: templates.Bad}
	return templates.Mark{Text: i18n.T(ctx, "admin.status."+string(status)), Kind: kinds[status]}
}

func permissionsText(ctx context.Context, permissions []keymgr.Permission) string {
	if len(permissions) == 0 {
		return i18n.T(ctx, "admin.nothing_permitted")
	}
	names := make([]string, len(permissions))
	for i, p := range permissions {
		names[i] = i18n.T(ctx, "admin.permission."+string(p))
	}
	return i18n.List(ctx, names)
}
