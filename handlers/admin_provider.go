package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// provider is the one that the address names, open or closed.
func (a *Admin) provider(c *gin.Context) (mapper.DFSP, error) {
	p, err := a.Editor.Provider(c.Request.Context(), c.Param("code"))
	return p, directoryFailure(err)
}

// showProvider shows a bank with its branches, or a wallet provider.
func (a *Admin) showProvider(c *gin.Context) error {
	ctx := c.Request.Context()
	p, err := a.provider(c)
	if err != nil {
		return err
	}
	view := templates.ProviderView{
		EntryView: templates.EntryView{
			Page: a.frame(c.Request, templates.AdminDirectory, p.Name), BackHref: directoryPath, Name: p.Name, Code: p.Code,
			State: openMark(ctx, p.Active), Rows: []templates.Row{fieldRow(ctx, "kind", kindText(ctx, p.Kind)), strategyRow(ctx, p)},
		},
		IsBank: p.Kind == mapper.Bank,
	}
	if a.mayChange(c.Request) {
		view.Actions = toggleActions(ctx, "provider", p.Active, func(step string) string { return providerPath(p.Code, step) })
		if view.IsBank {
			view.Actions = append(view.Actions, templates.Action{Label: i18n.T(ctx, "admin.directory.new_branch"), Href: providerPath(p.Code, "new-branch")})
		}
	}
	if view.IsBank {
		if err := a.listBranches(c, p, &view); err != nil {
			return err
		}
	}
	if view.IsBank && web.IsFragment(c) {
		web.Render(c, http.StatusOK, templates.BranchesOf(view))
	} else {
		web.Render(c, http.StatusOK, templates.ProviderPage(view))
	}
	return nil
}

func strategyRow(ctx context.Context, p mapper.DFSP) templates.Row {
	name := p.Strategy
	if name == "" {
		name = i18n.T(ctx, "admin.directory.usual_strategy")
	}
	return templates.Row{Key: i18n.T(ctx, "admin.directory.field.strategy"), Value: name}
}

// toggleActions are what can be done with something that is open or closed.
func toggleActions(ctx context.Context, what string, open bool, path func(step string) string) []templates.Action {
	step := "open"
	if open {
		step = "close"
	}
	return []templates.Action{
		{Label: i18n.T(ctx, "admin.directory.edit"), Href: path("edit")}, {Label: i18n.T(ctx, "admin."+step+"."+what+".do"), Href: path(step)},
	}
}

// listBranches lists the branches of a bank from a code on, or those that a search finds.
func (a *Admin) listBranches(c *gin.Context, p mapper.DFSP, view *templates.ProviderView) error {
	ctx := c.Request.Context()
	asked := c.Request.URL.Query()
	query, after := searchText(asked.Get("q")), searchText(asked.Get("after"))
	list, err := a.Editor.Branches(ctx, p.Code, query, after, entriesPage+1)
	if err != nil {
		return err
	}
	to := func(values url.Values) string {
		if query != "" {
			values.Set("q", query)
		}
		return strings.TrimSuffix(providerPath(p.Code)+"?"+values.Encode(), "?")
	}
	if after != "" {
		view.Pages.Previous, view.Pages.PreviousLabel = to(url.Values{}), i18n.T(ctx, "admin.pages.first")
	}
	if len(list) > entriesPage {
		list = list[:entriesPage]
		view.Pages.Next = to(url.Values{"after": {list[entriesPage-1].Code}})
	}
	shown := len(list)
	view.Found = i18n.T(ctx, "admin.directory.branches_shown", "count", shown, "number", i18n.Number(ctx, shown))
	view.Search = templates.Search{
		Action: providerPath(p.Code), Query: query, Label: i18n.T(ctx, "admin.directory.branch_search"),
		Hint: i18n.T(ctx, "admin.directory.branch_search_hint"), Target: "branches",
	}
	view.Branches = templates.Table{
		Caption: i18n.T(ctx, "admin.directory.branches"), Columns: columns(ctx, "branch", "place", "state"), Empty: i18n.T(ctx, "admin.directory.branches_none"),
	}
	for _, b := range list {
		view.Branches.Rows = append(view.Branches.Rows, []templates.Cell{
			{Text: b.Name, Detail: b.Code, Href: branchPath(b)}, placeCell(b), openCell(ctx, b.Active),
		})
	}
	return nil
}

// providerForm is what was sent, or what a provider is like.
type providerForm struct {
	mapper.DFSP
	seen  string
	wrong entryProblem
}

func (a *Admin) askNewProvider(c *gin.Context) error {
	return a.renderProviderForm(c, http.StatusOK, providerForm{DFSP: mapper.DFSP{Kind: mapper.Bank}})
}

func (a *Admin) askProvider(c *gin.Context) error {
	p, err := a.provider(c)
	if err != nil {
		return err
	}
	return a.renderProviderForm(c, http.StatusOK, providerForm{DFSP: p, seen: p.State()})
}

func (a *Admin) addProvider(c *gin.Context) error {
	form := readProvider(c)
	form.Code, form.Kind, form.Active = strings.ToUpper(strings.TrimSpace(c.PostForm("code"))), mapper.Kind(c.PostForm("kind")), true
	return a.storeProvider(c, form)
}

func (a *Admin) saveProvider(c *gin.Context) error {
	p, err := a.provider(c)
	if err != nil {
		return err
	}
	form := readProvider(c)
	form.seen, form.Code, form.Kind, form.Active = c.PostForm("seen"), p.Code, p.Kind, p.Active
	return a.storeProvider(c, form)
}

func readProvider(c *gin.Context) providerForm {
	return providerForm{DFSP: mapper.DFSP{Name: strings.Join(strings.Fields(c.PostForm("name")), " "), Strategy: c.PostForm("strategy")}}
}

func (a *Admin) storeProvider(c *gin.Context, form providerForm) error {
	ctx := c.Request.Context()
	err := a.Editor.SaveProvider(ctx, a.by(ctx), form.seen, form.DFSP)
	var wrong bool
	if form.wrong, wrong = wrongEntry(ctx, err); wrong {
		return a.renderProviderForm(c, http.StatusUnprocessableEntity, form)
	}
	if err != nil {
		return directoryFailure(err)
	}
	a.Sessions.Flash(ctx, "admin.flash.saved")
	web.Redirect(c, providerPath(form.Code))
	return nil
}

func (a *Admin) renderProviderForm(c *gin.Context, status int, form providerForm) error {
	ctx := c.Request.Context()
	strategies, err := a.Editor.Strategies(ctx)
	if err != nil {
		return err
	}
	view := templates.ProviderFormView{
		EntryFormView: templates.EntryFormView{
			BackHref: directoryPath, Heading: i18n.T(ctx, "admin.directory.new_provider"), Action: directoryPath + "/new-provider",
			Problems: form.wrong.list(), Submit: i18n.T(ctx, "admin.directory.save"), Seen: form.seen,
		},
		Name: form.wrong.input(ctx, "name", form.Name, i18n.T(ctx, "admin.directory.provider_name_hint")),
	}
	if form.seen == "" {
		view.Code = form.wrong.code(ctx, "code", form.Code, i18n.T(ctx, "admin.directory.code_hint"))
		view.Kind = kindChecks(ctx, form.Kind, form.wrong)
	} else {
		view.BackHref, view.Action = providerPath(form.Code), providerPath(form.Code, "edit")
		view.Heading = i18n.T(ctx, "admin.directory.edit_title", "name", form.Code)
		view.Rows = []templates.Row{fieldRow(ctx, "code", form.Code), fieldRow(ctx, "kind", kindText(ctx, form.Kind))}
	}
	view.Strategy = strategySelect(ctx, strategies, form)
	view.Page = a.frame(c.Request, templates.AdminDirectory, titled(ctx, view.Heading, form.wrong.text))
	web.Render(c, status, templates.ProviderFormPage(view))
	return nil
}

func kindChecks(ctx context.Context, chosen mapper.Kind, wrong entryProblem) templates.Checks {
	checks := templates.Checks{Name: "kind", Label: i18n.T(ctx, "admin.directory.field.kind"), One: true}
	for _, kind := range []mapper.Kind{mapper.Bank, mapper.MobileWallet, mapper.EmailWallet} {
		checks.Options = append(checks.Options, templates.Option{Value: string(kind), Label: kindText(ctx, kind), Checked: kind == chosen})
	}
	if wrong.field == "kind" {
		checks.Error = wrong.text
	}
	return checks
}

// strategySelect offers the strategies that are in use. For a new provider, whose kind is chosen on the same page, all of
// them with their kinds.
func strategySelect(ctx context.Context, strategies []mapper.Strategy, form providerForm) templates.Select {
	s := templates.Select{
		Name: "strategy", Label: i18n.T(ctx, "admin.directory.field.strategy"),
		Options: []templates.Option{{Label: i18n.T(ctx, "admin.directory.usual_strategy"), Checked: form.Strategy == ""}},
	}
	for _, strategy := range strategies {
		label := strategy.Name
		if form.seen == "" {
			label = i18n.T(ctx, "admin.directory.strategy_of_kind", "strategy", strategy.Name, "kind", kindText(ctx, strategy.Kind))
		}
		if strategy.Name == form.Strategy || strategy.Active && (form.seen == "" || strategy.Kind == form.Kind) {
			s.Options = append(s.Options, templates.Option{Value: strategy.Name, Label: label, Checked: strategy.Name == form.Strategy})
		}
	}
	return s
}

// askToggleProvider shows what closing a provider, or opening it again, would touch.
func (a *Admin) askToggleProvider(open bool) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		ctx := c.Request.Context()
		p, err := a.provider(c)
		if err != nil {
			return err
		}
		effect, err := a.Editor.EffectOnProvider(ctx, p)
		if err != nil {
			return err
		}
		partners, err := a.partnersLimitedTo(ctx, p.Code)
		if err != nil {
			return err
		}
		rows := []templates.Row{fieldRow(ctx, "code", p.Code), fieldRow(ctx, "kind", kindText(ctx, p.Kind))}
		if p.Kind == mapper.Bank {
			rows = append(rows, effectRow(ctx, "branches", i18n.Number(ctx, effect.Branches)))
		}
		rows = append(rows, linksRow(ctx, effect))
		if len(partners) > 0 {
			rows = append(rows, effectRow(ctx, "partners", strings.Join(partners, ", ")))
		}
		a.renderToggle(c, toggle{what: "provider", name: p.Name, open: open, state: p.State(), rows: rows, back: providerPath(p.Code)})
		return nil
	}
}

func effectRow(ctx context.Context, name, value string) templates.Row {
	return templates.Row{Key: i18n.T(ctx, "admin.effect."+name), Value: value}
}

func linksRow(ctx context.Context, effect mapper.Effect) templates.Row {
	if !effect.Counted {
		return effectRow(ctx, "links", i18n.T(ctx, "admin.effect.not_counted"))
	}
	return effectRow(ctx, "links", i18n.Number(ctx, effect.Links))
}

// partnersLimitedTo names the partners that may change accounts of some providers only, this one among them.
func (a *Admin) partnersLimitedTo(ctx context.Context, code string) ([]string, error) {
	partners, err := a.Register.List(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range partners {
		if slices.ContainsFunc(p.FAProviders, func(provider string) bool { return strings.EqualFold(provider, code) }) {
			names = append(names, p.Name)
		}
	}
	return names, nil
}

// toggle is a question whether to close something or to open it again.
type toggle struct {
	what  string // provider, branch or strategy
	name  string
	open  bool
	state string
	rows  []templates.Row
	more  []string // further texts
	back  string
}

func (a *Admin) renderToggle(c *gin.Context, t toggle) {
	ctx := c.Request.Context()
	step := "close"
	if t.open {
		step = "open"
	}
	heading := i18n.T(ctx, "admin."+step+"."+t.what+".title", "name", t.name)
	web.Render(c, http.StatusOK, templates.TogglePage(templates.ToggleView{
		Page: a.frame(c.Request, templates.AdminDirectory, heading), BackHref: t.back, Heading: heading,
		Paragraphs: append([]string{i18n.T(ctx, "admin."+step+"."+t.what+".text")}, t.more...), Rows: t.rows,
		Action: t.back + "/" + step, Seen: t.state, Confirm: i18n.T(ctx, "admin."+step+"."+t.what+".do"), Final: !t.open,
	}))
}

// toggleProvider closes a provider, or opens it again.
func (a *Admin) toggleProvider(open bool) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		p, err := a.provider(c)
		if err != nil {
			return err
		}
		ctx := c.Request.Context()
		if p.Active == open {
			return a.toggled(c, nil, open, providerPath(p.Code))
		}
		p.Active = open
		return a.toggled(c, a.Editor.SaveProvider(ctx, a.by(ctx), c.PostForm("seen"), p), open, providerPath(p.Code))
	}
}

// toggled leads on after something was closed or opened. Who does so twice, by the Back button, is led on as well.
func (a *Admin) toggled(c *gin.Context, err error, open bool, path string) error {
	if _, wrong := errors.AsType[mapper.Problem](err); wrong {
		return adminEntryStale
	}
	if err != nil {
		return directoryFailure(err)
	}
	flash := "admin.flash.closed"
	if open {
		flash = "admin.flash.opened"
	}
	a.Sessions.Flash(c.Request.Context(), flash)
	web.Redirect(c, path)
	return nil
}
