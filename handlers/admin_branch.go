package handlers

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// branch is the one that the address names, open or closed.
func (a *Admin) branch(c *gin.Context) (mapper.Branch, error) {
	b, err := a.Editor.Branch(c.Request.Context(), c.Param("code"), c.Param("branch"))
	return b, directoryFailure(err)
}

func branchRows(ctx context.Context, b mapper.Branch) []templates.Row {
	return []templates.Row{
		{Key: i18n.T(ctx, "admin.column.bank"), Value: b.DFSPName, Detail: b.DFSP}, fieldRow(ctx, "town", b.Town),
		fieldRow(ctx, "area", b.Area), fieldRow(ctx, "address", b.Address),
	}
}

// showBranch shows a branch.
func (a *Admin) showBranch(c *gin.Context) error {
	ctx := c.Request.Context()
	b, err := a.branch(c)
	if err != nil {
		return err
	}
	view := templates.EntryView{
		Page: a.frame(c.Request, templates.AdminDirectory, b.Name), BackHref: providerPath(b.DFSP), Name: b.Name, Code: b.Code,
		State: openMark(ctx, b.Active), Rows: branchRows(ctx, b),
	}
	if a.mayChange(c.Request) {
		view.Actions = toggleActions(ctx, "branch", b.Active, func(step string) string { return branchPath(b, step) })
	}
	web.Render(c, http.StatusOK, templates.BranchPage(view))
	return nil
}

// branchForm is what was sent, or what a branch is like.
type branchForm struct {
	mapper.Branch
	seen  string
	wrong entryProblem
}

func (a *Admin) askNewBranch(c *gin.Context) error {
	p, err := a.provider(c)
	if err != nil {
		return err
	}
	if p.Kind != mapper.Bank {
		return adminNotFound
	}
	a.renderBranchForm(c, http.StatusOK, branchForm{Branch: mapper.Branch{DFSP: p.Code, DFSPName: p.Name}})
	return nil
}

func (a *Admin) askBranch(c *gin.Context) error {
	b, err := a.branch(c)
	if err != nil {
		return err
	}
	a.renderBranchForm(c, http.StatusOK, branchForm{Branch: b, seen: b.State()})
	return nil
}

func (a *Admin) addBranch(c *gin.Context) error {
	p, err := a.provider(c)
	if err != nil {
		return err
	}
	form := readBranch(c)
	form.DFSP, form.DFSPName, form.Code, form.Active = p.Code, p.Name, strings.ToUpper(strings.TrimSpace(c.PostForm("branch_code"))), true
	return a.storeBranch(c, form)
}

func (a *Admin) saveBranch(c *gin.Context) error {
	b, err := a.branch(c)
	if err != nil {
		return err
	}
	form := readBranch(c)
	form.DFSP, form.DFSPName, form.Code, form.Active, form.seen = b.DFSP, b.DFSPName, b.Code, b.Active, c.PostForm("seen")
	return a.storeBranch(c, form)
}

func readBranch(c *gin.Context) branchForm {
	text := func(name string) string { return strings.Join(strings.Fields(c.PostForm(name)), " ") }
	return branchForm{Branch: mapper.Branch{Name: text("name"), Town: text("town"), Area: text("area"), Address: text("address")}}
}

func (a *Admin) storeBranch(c *gin.Context, form branchForm) error {
	ctx := c.Request.Context()
	err := a.Editor.SaveBranch(ctx, a.by(ctx), form.seen, form.Branch)
	var wrong bool
	if form.wrong, wrong = wrongEntry(ctx, err); wrong {
		a.renderBranchForm(c, http.StatusUnprocessableEntity, form)
		return nil
	}
	if err != nil {
		return directoryFailure(err)
	}
	a.Sessions.Flash(ctx, "admin.flash.saved")
	web.Redirect(c, branchPath(form.Branch))
	return nil
}

func (a *Admin) renderBranchForm(c *gin.Context, status int, form branchForm) {
	ctx := c.Request.Context()
	view := templates.BranchFormView{
		EntryFormView: templates.EntryFormView{
			BackHref: providerPath(form.DFSP), Heading: i18n.T(ctx, "admin.directory.new_branch_of", "bank", form.DFSPName),
			Action: providerPath(form.DFSP, "new-branch"), Problems: form.wrong.list(), Submit: i18n.T(ctx, "admin.directory.save"), Seen: form.seen,
		},
		Fields: []templates.Field{
			form.wrong.input(ctx, "name", form.Name, i18n.T(ctx, "admin.directory.branch_name_hint")),
			form.wrong.input(ctx, "town", form.Town, ""), form.wrong.input(ctx, "area", form.Area, i18n.T(ctx, "admin.directory.area_hint")),
			form.wrong.input(ctx, "address", form.Address, ""),
		},
	}
	if form.seen == "" {
		view.Code = form.wrong.code(ctx, "branch_code", form.Code, i18n.T(ctx, "admin.directory.code_hint"))
	} else {
		view.BackHref, view.Action = branchPath(form.Branch), branchPath(form.Branch, "edit")
		view.Heading = i18n.T(ctx, "admin.directory.edit_title", "name", form.Code)
		view.Rows = []templates.Row{{Key: i18n.T(ctx, "admin.column.bank"), Value: form.DFSPName, Detail: form.DFSP}, fieldRow(ctx, "branch_code", form.Code)}
	}
	view.Page = a.frame(c.Request, templates.AdminDirectory, titled(ctx, view.Heading, form.wrong.text))
	web.Render(c, status, templates.BranchFormPage(view))
}

// askToggleBranch shows the branch that would be closed, or opened again.
func (a *Admin) askToggleBranch(open bool) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		ctx := c.Request.Context()
		b, err := a.branch(c)
		if err != nil {
			return err
		}
		rows := append([]templates.Row{fieldRow(ctx, "branch_code", b.Code)}, branchRows(ctx, b)...)
		a.renderToggle(c, toggle{what: "branch", name: b.Name, open: open, state: b.State(), rows: rows, back: branchPath(b)})
		return nil
	}
}

// toggleBranch closes a branch, or opens it again.
func (a *Admin) toggleBranch(open bool) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		b, err := a.branch(c)
		if err != nil {
			return err
		}
		ctx := c.Request.Context()
		if b.Active == open {
			return a.toggled(c, nil, open, branchPath(b))
		}
		b.Active = open
		return a.toggled(c, a.Editor.SaveBranch(ctx, a.by(ctx), c.PostForm("seen"), b), open, branchPath(b))
	}
}
