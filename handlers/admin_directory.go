package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/mapper/lists"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

const (
	directoryPath  = "/admin/directory"
	providersPath  = directoryPath + "/providers"
	strategiesPath = directoryPath + "/strategies"
	importPath     = directoryPath + "/import"

	entriesPage   = 12 // providers or branches on one page
	branchesFound = 8  // shown under the providers found

	exportTime = 15 * time.Minute // that a download on a slow line may take
)

// directoryRoutes adds the pages about the directory.
func (a *Admin) directoryRoutes(look, change gin.IRouter) {
	look.GET(directoryPath, a.page(a.listProviders))
	look.GET(directoryPath+"/providers.csv", a.page(a.download("providers.csv", lists.WriteProviders)))
	look.GET(directoryPath+"/branches.csv", a.page(a.download("branches.csv", lists.WriteBranches)))
	look.GET(providersPath+"/:code", a.page(a.showProvider))
	look.GET(providersPath+"/:code/branches/:branch", a.page(a.showBranch))
	look.GET(strategiesPath, a.page(a.listStrategies))
	look.GET(strategiesPath+"/:strategy", a.page(a.showStrategy))
	look.GET(strategiesPath+"/:strategy/try", a.page(a.askTryStrategy))
	look.POST(strategiesPath+"/:strategy/try", a.page(a.tryStrategy))
	look.GET(importPath+"/:import", a.page(a.showImport))
	look.GET(importPath+"/:import/problems.csv", a.page(a.downloadImportProblems))

	form := func(path string, show, take func(c *gin.Context) error) {
		change.GET(path, a.page(show))
		change.POST(path, a.page(take))
	}
	form(directoryPath+"/new-provider", a.askNewProvider, a.addProvider)
	form(providersPath+"/:code/edit", a.askProvider, a.saveProvider)
	form(providersPath+"/:code/close", a.askToggleProvider(false), a.toggleProvider(false))
	form(providersPath+"/:code/open", a.askToggleProvider(true), a.toggleProvider(true))
	form(providersPath+"/:code/new-branch", a.askNewBranch, a.addBranch)
	form(providersPath+"/:code/branches/:branch/edit", a.askBranch, a.saveBranch)
	form(providersPath+"/:code/branches/:branch/close", a.askToggleBranch(false), a.toggleBranch(false))
	form(providersPath+"/:code/branches/:branch/open", a.askToggleBranch(true), a.toggleBranch(true))
	form(directoryPath+"/new-strategy", a.askNewStrategy, a.addStrategy)
	form(strategiesPath+"/:strategy/edit", a.askStrategy, a.saveStrategy)
	form(strategiesPath+"/:strategy/close", a.askToggleStrategy(false), a.toggleStrategy(false))
	form(strategiesPath+"/:strategy/open", a.askToggleStrategy(true), a.toggleStrategy(true))
	form(importPath, a.askImport, a.takeImport)
	change.POST(importPath+"/:import", a.page(a.applyImport))
	form(importPath+"/:import/discard", a.toImport, a.discardImport)
}

var adminEntryStale = &explanation{status: http.StatusConflict, title: "admin.directory.stale.title",
	texts: []string{"admin.directory.stale.text"}, label: "admin.to_directory", href: directoryPath}

// directoryFailure makes a page of what the directory has against a change, where it is no [mapper.Problem].
func directoryFailure(err error) error {
	switch {
	case errors.Is(err, mapper.ErrNotFound):
		return adminNotFound
	case errors.Is(err, mapper.ErrDirectoryStale):
		return adminEntryStale
	}
	return err
}

// listProviders lists the banks and wallet providers, or those that a search finds.
func (a *Admin) listProviders(c *gin.Context) error {
	ctx := c.Request.Context()
	asked := c.Request.URL.Query()
	query, kind := searchText(asked.Get("q")), mapper.Kind(asked.Get("kind"))
	page, _ := strconv.Atoi(asked.Get("page"))
	page = min(max(page, 1), 1000)
	list, found, err := a.Editor.Providers(ctx, mapper.ProviderFilter{Text: query, Kind: kind, Place: (page - 1) * entriesPage, Limit: entriesPage})
	if err != nil {
		return err
	}
	title := i18n.T(ctx, "admin.directory.title")
	view := templates.DirectoryView{
		Page: a.frame(c.Request, templates.AdminDirectory, title), Actions: a.directoryActions(ctx, a.mayChange(c.Request)),
		Downloads: []templates.Action{
			{Label: i18n.T(ctx, "admin.directory.export_providers"), Href: directoryPath + "/providers.csv"},
			{Label: i18n.T(ctx, "admin.directory.export_branches"), Href: directoryPath + "/branches.csv"},
		},
		Search: templates.Search{
			Action: directoryPath, Query: query, Label: i18n.T(ctx, "admin.directory.search_label"), Hint: i18n.T(ctx, "admin.directory.search_hint"),
			Target: "providers",
		},
		Kind:      kindSelect(ctx, kind),
		Found:     i18n.T(ctx, "admin.directory.found", "count", found, "number", i18n.Number(ctx, found)),
		Providers: templates.Table{Caption: title, Columns: columns(ctx, "provider", "kind", "state", "branches#")},
		Pages:     pages(ctx, directoryPath, url.Values{"q": {query}, "kind": {string(kind)}}, page, found),
	}
	for _, p := range list {
		view.Providers.Rows = append(view.Providers.Rows, providerRow(ctx, p))
	}
	if view.Branches, err = a.branchesFound(ctx, query, found); err != nil {
		return err
	}
	if web.IsFragment(c) {
		web.Render(c, http.StatusOK, templates.ProviderList(view))
	} else {
		web.Render(c, http.StatusOK, templates.DirectoryPage(view))
	}
	return nil
}

// searchText is what was typed, as far as it counts.
func searchText(text string) string {
	text = strings.TrimSpace(text)
	if letters := []rune(text); len(letters) > searchLength {
		return string(letters[:searchLength])
	}
	return text
}

func (a *Admin) directoryActions(ctx context.Context, mayChange bool) []templates.Action {
	actions := []templates.Action{{Label: i18n.T(ctx, "admin.strategies.title"), Href: strategiesPath}}
	if mayChange {
		actions = append(actions, templates.Action{Label: i18n.T(ctx, "admin.directory.new_provider"), Href: directoryPath + "/new-provider"},
			templates.Action{Label: i18n.T(ctx, "admin.import.title"), Href: importPath})
	}
	return actions
}

func kindSelect(ctx context.Context, chosen mapper.Kind) templates.Select {
	s := templates.Select{Name: "kind", Label: i18n.T(ctx, "admin.directory.field.kind")}
	for _, kind := range []mapper.Kind{"", mapper.Bank, mapper.MobileWallet, mapper.EmailWallet} {
		label := i18n.T(ctx, "admin.directory.any_kind")
		if kind != "" {
			label = kindText(ctx, kind)
		}
		s.Options = append(s.Options, templates.Option{Value: string(kind), Label: label, Checked: kind == chosen})
	}
	return s
}

func kindText(ctx context.Context, kind mapper.Kind) string {
	return i18n.T(ctx, "admin.directory.kind."+string(kind))
}

func openMark(ctx context.Context, open bool) templates.Mark {
	if open {
		return templates.Mark{Text: i18n.T(ctx, "admin.directory.open"), Kind: templates.Good}
	}
	return templates.Mark{Text: i18n.T(ctx, "admin.directory.closed"), Kind: templates.Neutral}
}

func openCell(ctx context.Context, open bool) templates.Cell {
	m := openMark(ctx, open)
	return mark(m.Text, m.Kind)
}

func providerRow(ctx context.Context, p mapper.ProviderEntry) []templates.Cell {
	branches := number(ctx, int64(p.Branches))
	if p.Kind != mapper.Bank {
		branches.Text = i18n.T(ctx, "admin.directory.no_branches")
	}
	return []templates.Cell{
		{Text: p.Name, Detail: p.Code, Href: providerPath(p.Code)}, {Text: kindText(ctx, p.Kind)}, openCell(ctx, p.Active), branches,
	}
}

func providerPath(code string, steps ...string) string { return pathTo(providersPath, code, steps...) }

func branchPath(b mapper.Branch, steps ...string) string {
	return pathTo(providerPath(b.DFSP, "branches"), b.Code, steps...)
}

func pathTo(base, name string, steps ...string) string {
	return strings.Join(append([]string{base, url.PathEscape(name)}, steps...), "/")
}

// pages leads from one page of a list to its neighbours.
func pages(ctx context.Context, path string, query url.Values, page, found int) templates.ListPages {
	for name, values := range query {
		if values[0] == "" {
			query.Del(name)
		}
	}
	to := func(page int) string {
		query.Set("page", strconv.Itoa(page))
		return path + "?" + query.Encode()
	}
	last := max(1, (found+entriesPage-1)/entriesPage)
	p := templates.ListPages{Label: i18n.T(ctx, "admin.pages.page", "page", i18n.Number(ctx, page), "last", i18n.Number(ctx, last))}
	if page > 1 {
		p.Previous, p.PreviousLabel = to(min(page-1, last)), i18n.T(ctx, "admin.pages.previous")
	}
	if page < last {
		p.Next = to(page + 1)
	}
	return p
}

// branchesFound are the branches with the same words, where these name a few providers at most.
func (a *Admin) branchesFound(ctx context.Context, query string, providers int) (templates.Table, error) {
	table := templates.Table{Caption: i18n.T(ctx, "admin.directory.branches_found"), Columns: columns(ctx, "branch", "bank", "place", "state")}
	if query == "" || providers > branchesFound {
		return table, nil
	}
	found, err := a.Directory.Search(ctx, mapper.Search{Text: query, Closed: true, Limit: branchesFound})
	if err != nil {
		return table, err
	}
	for _, b := range found.Branches {
		table.Rows = append(table.Rows, []templates.Cell{
			{Text: b.Name, Detail: b.Code, Href: branchPath(b)}, {Text: b.DFSPName, Detail: b.DFSP}, placeCell(b), openCell(ctx, b.Active),
		})
	}
	return table, nil
}

func placeCell(b mapper.Branch) templates.Cell {
	if b.Town == "" {
		return templates.Cell{Text: b.Area}
	}
	return templates.Cell{Text: b.Town, Detail: b.Area}
}

// download writes a list as a file.
func (a *Admin) download(name string, write func(context.Context, io.Writer, *mapper.DirectoryAdmin) error) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		return a.sendCSV(c, name, func(ctx context.Context, w io.Writer) error { return write(ctx, w, a.Editor) })
	}
}

// sendCSV sends a file that is made while it is sent.
func (a *Admin) sendCSV(c *gin.Context, name string, write func(context.Context, io.Writer) error) error {
	web.GiveTime(c.Writer, exportTime)
	c.Header("Content-Type", "text/csv; charset=utf-8")
	c.Header("Content-Disposition", `attachment; filename="`+name+`"`)
	if err := write(c.Request.Context(), c.Writer); err != nil {
		if !c.Writer.Written() {
			c.Header("Content-Disposition", "inline")
			return err
		}
		a.Log.ErrorContext(c.Request.Context(), "list not written whole", "request_id", web.RequestID(c.Request.Context()), "error", err)
		panic(http.ErrAbortHandler) // half a list must not look like a whole one
	}
	return nil
}

// entryProblem is what the directory has against one field of a form.
type entryProblem struct{ field, text string }

// wrongEntry says what is wrong with a form; ok is false if the error is about something else.
func wrongEntry(ctx context.Context, err error) (p entryProblem, ok bool) {
	found, ok := errors.AsType[mapper.Problem](err)
	if !ok {
		return p, false
	}
	return entryProblem{found.Field, ListProblem(ctx, found)}, true
}

// list is the error summary.
func (p entryProblem) list() []templates.Problem {
	if p.text == "" {
		return nil
	}
	return []templates.Problem{{Target: p.field, Text: p.text}}
}

// input is a text field about the directory.
func (p entryProblem) input(ctx context.Context, name, value, hint string) templates.Field {
	f := templates.Field{
		Name: name, Type: "text", Label: i18n.T(ctx, "admin.directory.field."+name), Value: value, Hint: hint, Autocomplete: "off",
	}
	if name == p.field {
		f.Error = p.text
	}
	return f
}

// code is an input for a code.
func (p entryProblem) code(ctx context.Context, name, value, hint string) templates.Field {
	f := p.input(ctx, name, value, hint)
	f.Direction = "ltr"
	return f
}

func fieldRow(ctx context.Context, name, value string) templates.Row {
	if value == "" {
		value = i18n.T(ctx, "admin.directory.nothing")
	}
	return templates.Row{Key: i18n.T(ctx, "admin.directory.field."+name), Value: value}
}
