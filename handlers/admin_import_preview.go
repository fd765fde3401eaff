package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// showImport shows what a list would change, or has changed.
func (a *Admin) showImport(c *gin.Context) error {
	i, err := a.theImport(c)
	if err != nil {
		return err
	}
	return a.renderImport(c, http.StatusOK, i)
}

func (a *Admin) renderImport(c *gin.Context, status int, i mapper.DirectoryImport) error {
	ctx := c.Request.Context()
	list := "providers"
	if i.Branches {
		list = "branches"
	}
	view := templates.ImportPreviewView{
		Heading: i18n.T(ctx, "admin.import.preview_title"), Action: pathTo(importPath, i.ID), Digest: i.Digest,
		Download: pathTo(importPath, i.ID, "problems.csv"), Final: i.Removed > 0,
		Lead: i18n.T(ctx, "admin.import.preview_lead."+list, "count", i.Lines, "number", i18n.Number(ctx, i.Lines),
			"time", a.when(ctx, time.UnixMilli(i.ExpiresAt))),
		Figures: importFigures(ctx, i),
	}
	var err error
	if i.Applied() {
		view.Done = true
		view.Heading = i18n.T(ctx, "admin.import.done_title")
		view.Lead = i18n.T(ctx, "admin.import.done_lead", "time", a.when(ctx, time.UnixMilli(i.AppliedAt.Int64)))
	} else {
		err = a.describeImport(ctx, i, a.mayChange(c.Request), &view)
	}
	if err != nil {
		return err
	}
	view.Page = a.frame(c.Request, templates.AdminDirectory, view.Heading)
	web.Render(c, status, templates.ImportPreviewPage(view))
	return nil
}

func importFigures(ctx context.Context, i mapper.DirectoryImport) []templates.Row {
	var rows []templates.Row
	figure := func(key string, n int, always bool) {
		if n > 0 || always {
			rows = append(rows, templates.Row{Key: i18n.T(ctx, "admin.import.figure."+key), Value: i18n.Number(ctx, n)})
		}
	}
	figure("added", i.Added, true)
	figure("changed", i.Changed, true)
	figure("removed", i.Removed, i.Complete)
	figure("unchanged", i.Unchanged(), true)
	figure("banks", i.Banks, false)
	figure("problems", i.Problems, false)
	return rows
}

// describeImport shows the beginning of everything that a list would change, and what speaks against it.
func (a *Admin) describeImport(ctx context.Context, i mapper.DirectoryImport, mayChange bool, view *templates.ImportPreviewView) error {
	p, err := a.Editor.Preview(ctx, i, rowsShown)
	if err != nil {
		return err
	}
	warn := func(wrong bool, key string, args ...any) {
		if wrong {
			view.Warnings = append(view.Warnings, i18n.T(ctx, "admin.import.warning."+key, args...))
		}
	}
	view.Stale = p.Stale
	warn(p.Stale, "stale")
	warn(!p.Stale && i.Problems > 0 && i.Complete, "complete_problems")
	warn(!p.Stale && i.Problems > 0 && !i.Complete, "problems", "count", i.Problems, "number", i18n.Number(ctx, i.Problems))
	warn(!p.Stale && i.Removed > i.Lines, "many_removed", "count", i.Removed, "number", i18n.Number(ctx, i.Removed))
	warn(!p.Stale && i.Added+i.Changed+i.Removed == 0, "nothing")
	problems, err := a.Editor.ImportProblems(ctx, i, problemsShown)
	if err != nil {
		return err
	}
	view.Problems = importSection(ctx, "problems", i.Problems, problemTable(ctx, problems))
	view.Sections = importSections(ctx, i, p)
	if !mayChange {
		return nil
	}
	view.Discard = pathTo(importPath, i.ID, "discard")
	if i.Applicable() && !p.Stale {
		changes := i.Added + i.Changed + i.Removed
		view.Confirm = i18n.T(ctx, "admin.import.confirm", "count", changes, "number", i18n.Number(ctx, changes))
	}
	return nil
}

func importSections(ctx context.Context, i mapper.DirectoryImport, p mapper.ImportPreview) []templates.ImportSection {
	var sections []templates.ImportSection
	add := func(key string, n int, table templates.Table) {
		if len(table.Rows) > 0 {
			sections = append(sections, importSection(ctx, key, n, table))
		}
	}
	banks := templates.Table{Columns: columns(ctx, "bank")}
	for _, b := range p.Banks {
		banks.Rows = append(banks.Rows, []templates.Cell{{Text: b.Name, Detail: b.Code}})
	}
	add("banks", i.Banks, banks)
	add("added", i.Added, rowTable(ctx, i, p.Added))
	changed := templates.Table{Columns: columns(ctx, "entry", "was", "becomes")}
	for _, d := range p.Changed {
		for _, field := range d.Fields {
			entry := templates.Cell{Text: codeOf(d.DFSP, d.Code), Detail: i18n.T(ctx, "admin.directory.field."+field.Field)}
			changed.Rows = append(changed.Rows, []templates.Cell{entry, valueCell(ctx, field.Field, field.Old), valueCell(ctx, field.Field, field.New)})
		}
	}
	add("changed", max(i.Changed-len(p.Changed), 0)+len(changed.Rows), changed)
	add("removed", i.Removed, rowTable(ctx, i, p.Removed))
	return sections
}

// importSection is one kind of what would change, and a note if not all of it is shown.
func importSection(ctx context.Context, key string, n int, table templates.Table) templates.ImportSection {
	s := templates.ImportSection{Heading: i18n.T(ctx, "admin.import.section."+key), Table: table}
	s.Table.Caption = s.Heading
	if shown := len(table.Rows); n > shown {
		s.Note = i18n.T(ctx, "admin.import.first", "shown", i18n.Number(ctx, shown), "number", i18n.Number(ctx, n))
	}
	return s
}

func problemTable(ctx context.Context, list []mapper.ListRow) templates.Table {
	table := templates.Table{Columns: columns(ctx, "line", "what_to_do")}
	for _, row := range list {
		table.Rows = append(table.Rows, []templates.Cell{number(ctx, int64(row.Line)), {Text: ListProblem(ctx, *row.Problem)}})
	}
	return table
}

func rowTable(ctx context.Context, i mapper.DirectoryImport, list []mapper.ListRow) templates.Table {
	table := templates.Table{Columns: columns(ctx, "provider", "kind")}
	if i.Branches {
		table.Columns = columns(ctx, "branch", "place")
	}
	for _, row := range list {
		second := templates.Cell{}
		if i.Branches {
			second = placeCell(mapper.Branch{Town: row.Town, Area: row.Area})
		} else if row.Kind != "" {
			second.Text = kindText(ctx, row.Kind)
		}
		table.Rows = append(table.Rows, []templates.Cell{{Text: row.Name, Detail: codeOf(row.DFSP, row.Code)}, second})
	}
	return table
}

// codeOf names a provider, or a branch of a bank.
func codeOf(dfsp, code string) string {
	if code == "" {
		return dfsp
	}
	return dfsp + " " + code
}

func valueCell(ctx context.Context, field, value string) templates.Cell {
	switch {
	case field == "active":
		return templates.Cell{Text: openMark(ctx, value == "true").Text}
	case value == "":
		return templates.Cell{Text: i18n.T(ctx, "admin.directory.nothing")}
	}
	return templates.Cell{Text: value}
}
