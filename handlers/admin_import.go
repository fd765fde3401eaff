package handlers

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
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
	importTime    = 15 * time.Minute // that sending a list on a slow line and reading it may take
	maxPasted     = 1 << 20          // bytes of a list that is pasted
	rowsShown     = 6                // of each kind, in a preview
	problemsShown = 15               // lines to correct
	problemsSent  = 1000             // in the file of lines that cannot be used

	megabyte = 1 << 20
)

// ImportUpload is the form that a list is sent with. More of the body is taken than a list may have, so that a browser gets
// to see what is wrong with one that is too large.
func (a *Admin) ImportUpload() web.Upload {
	return web.Upload{Path: importPath, Limit: 4 * a.MaxImport * megabyte, Time: importTime}
}

var (
	errListMissing  = errors.New("no list was sent")
	errListTooLarge = errors.New("the list is too large")
	errPasteTooLong = errors.New("what was pasted is too long")
)

// importForm is what was sent with a list.
type importForm struct {
	complete bool
	text     string
	wrong    string
}

// askImport asks for a list.
func (a *Admin) askImport(c *gin.Context) error {
	a.renderImportForm(c, http.StatusOK, importForm{})
	return nil
}

// takeImport reads a list while it arrives, and keeps it to be shown.
func (a *Admin) takeImport(c *gin.Context) error {
	ctx := c.Request.Context()
	parts := web.Parts(ctx)
	if parts == nil { // a form without a file, which no page of ours sends
		a.renderImportForm(c, http.StatusUnprocessableEntity, importForm{wrong: i18n.T(ctx, "admin.import.missing")})
		return nil
	}
	form, prepared, err := a.readImport(ctx, parts)
	if err == nil {
		web.Redirect(c, pathTo(importPath, prepared.ID))
		return nil
	}
	// The rest is read first: browsers show an answer only once they have sent everything.
	_, _ = io.Copy(io.Discard, c.Request.Body)
	if form.wrong = a.importProblem(ctx, err); form.wrong == "" {
		return err
	}
	a.renderImportForm(c, http.StatusUnprocessableEntity, form)
	return nil
}

// importProblem says why a list could not be read; nothing if it is our fault.
func (a *Admin) importProblem(ctx context.Context, err error) string {
	_, cut := errors.AsType[*http.MaxBytesError](err)
	switch {
	case errors.Is(err, errListMissing):
		return i18n.T(ctx, "admin.import.missing")
	case errors.Is(err, errListTooLarge), cut:
		return i18n.T(ctx, "admin.import.too_large", "size", i18n.Number(ctx, int(a.MaxImport)))
	case errors.Is(err, errPasteTooLong):
		return i18n.T(ctx, "admin.import.paste_too_long")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return i18n.T(ctx, "admin.import.broken_off")
	}
	return FileProblem(ctx, err)
}

// readImport reads the form part by part. The file is the last of them.
func (a *Admin) readImport(ctx context.Context, parts *multipart.Reader) (form importForm, prepared mapper.DirectoryImport, err error) {
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return form, prepared, fmt.Errorf("read the form: %w", err)
		}
		switch part.FormName() {
		case "complete":
			text, err := limited(part, 16, errListMissing)
			if err != nil {
				return form, prepared, err
			}
			form.complete = text == "yes"
		case "text":
			if form.text, err = limited(part, maxPasted, errPasteTooLong); err != nil {
				return form, prepared, err
			}
		case "file":
			if part.FileName() == "" {
				continue
			}
			prepared, err = a.prepareImport(ctx, form, &sized{from: part, left: a.MaxImport * megabyte})
			return form, prepared, err
		}
	}
	if strings.TrimSpace(form.text) == "" {
		return form, prepared, errListMissing
	}
	prepared, err = a.prepareImport(ctx, form, strings.NewReader(form.text))
	return form, prepared, err
}

func limited(part io.Reader, limit int64, tooLong error) (string, error) {
	text, err := io.ReadAll(io.LimitReader(part, limit+1))
	if err != nil {
		return "", fmt.Errorf("read the form: %w", err)
	}
	if int64(len(text)) > limit {
		return "", tooLong
	}
	return string(text), nil
}

// sized reads no more than a list may have.
type sized struct {
	from io.Reader
	left int64
}

// Read implements [io.Reader].
func (s *sized) Read(b []byte) (int, error) {
	n, err := s.from.Read(b)
	if s.left -= int64(n); s.left < 0 {
		return 0, errListTooLarge
	}
	return n, err
}

func (a *Admin) prepareImport(ctx context.Context, form importForm, file io.Reader) (mapper.DirectoryImport, error) {
	reader, err := lists.NewReader(file)
	if err != nil {
		return mapper.DirectoryImport{}, err
	}
	return a.Editor.Prepare(ctx, a.by(ctx), reader, form.complete, nil)
}

func (a *Admin) renderImportForm(c *gin.Context, status int, form importForm) {
	ctx := c.Request.Context()
	title := i18n.T(ctx, "admin.import.title")
	view := templates.ImportView{
		Page: a.frame(c.Request, templates.AdminDirectory, titled(ctx, title, form.wrong)),
		Complete: templates.Checks{
			Name: "complete", Label: i18n.T(ctx, "admin.import.complete"), Hint: i18n.T(ctx, "admin.import.complete_hint"),
			Options: []templates.Option{{Value: "yes", Label: i18n.T(ctx, "admin.import.complete_yes"), Checked: form.complete}},
		},
		Text: templates.Field{Name: "text", Label: i18n.T(ctx, "admin.import.text"), Value: form.text},
		File: templates.Field{
			Name: "file", Label: i18n.T(ctx, "admin.import.file"), Hint: i18n.T(ctx, "admin.import.file_hint", "size", i18n.Number(ctx, int(a.MaxImport))),
			Error: form.wrong,
		},
		Lists: []templates.Table{listColumns(ctx, "branches"), listColumns(ctx, "ifsc"), listColumns(ctx, "providers")},
	}
	view.Problems = view.File.Problems()
	web.Render(c, status, templates.ImportPage(view))
}

// listColumns describes the columns of a kind of list.
func listColumns(ctx context.Context, list string) templates.Table {
	names := map[string][]string{
		"branches":  {"bank_code", "branch_code", "name", "bank_name", "town", "area", "address", "active"},
		"ifsc":      {"IFSC", "BRANCH", "BANK", "CENTRE, CITY, DISTRICT, STATE", "ADDRESS"},
		"providers": {"code", "name", "kind", "strategy", "active"},
	}
	keys := map[string]string{"CENTRE, CITY, DISTRICT, STATE": "place"}
	table := templates.Table{Caption: i18n.T(ctx, "admin.import.list."+list), Columns: columns(ctx, "column", "meaning")}
	for _, name := range names[list] {
		key := keys[name]
		if key == "" {
			key = strings.ToLower(name)
		}
		table.Rows = append(table.Rows, []templates.Cell{{Text: name, Code: true}, {Text: i18n.T(ctx, "admin.import.column."+list+"_"+key)}})
	}
	return table
}

// theImport is the one that the address names.
func (a *Admin) theImport(c *gin.Context) (mapper.DirectoryImport, error) {
	i, err := a.Editor.Import(c.Request.Context(), c.Param("import"))
	if errors.Is(err, mapper.ErrNotFound) {
		return i, adminImportGone
	}
	return i, err
}

var (
	adminImportGone = &explanation{status: http.StatusNotFound, title: "admin.import.gone.title",
		texts: []string{"admin.import.gone.text"}, label: "admin.import.again", href: importPath}
	adminImportNotAsShown = &explanation{status: http.StatusConflict, title: "admin.import.not_as_shown.title",
		texts: []string{"admin.import.not_as_shown.text"}, label: "admin.import.again", href: importPath}
)

// applyImport puts the list that was shown into the directory.
func (a *Admin) applyImport(c *gin.Context) error {
	ctx := c.Request.Context()
	i, err := a.theImport(c)
	if err != nil {
		return err
	}
	done, err := a.Editor.Apply(ctx, a.by(ctx), i.ID, c.PostForm("digest"))
	switch {
	case errors.Is(err, mapper.ErrImportStale), errors.Is(err, mapper.ErrImportProblems):
		return a.renderImport(c, http.StatusConflict, i)
	case errors.Is(err, mapper.ErrImportNotAsShown):
		return adminImportNotAsShown
	case errors.Is(err, mapper.ErrNotFound):
		return adminImportGone
	case err != nil:
		return err
	}
	if done.Applied() {
		a.Sessions.Flash(ctx, "admin.flash.imported")
	}
	web.Redirect(c, pathTo(importPath, i.ID))
	return nil
}

// toImport leads from an address that only takes a form to the page that has it.
func (a *Admin) toImport(c *gin.Context) error {
	web.Redirect(c, pathTo(importPath, c.Param("import")))
	return nil
}

// discardImport gives a list up.
func (a *Admin) discardImport(c *gin.Context) error {
	ctx := c.Request.Context()
	if err := a.Editor.Forget(ctx, c.Param("import")); err != nil {
		return err
	}
	a.Sessions.Flash(ctx, "admin.flash.import_discarded")
	web.Redirect(c, directoryPath)
	return nil
}

// downloadImportProblems writes the lines that cannot be used as a file.
func (a *Admin) downloadImportProblems(c *gin.Context) error {
	ctx := c.Request.Context()
	i, err := a.theImport(c)
	if err != nil {
		return err
	}
	problems, err := a.Editor.ImportProblems(ctx, i, problemsSent)
	if err != nil {
		return err
	}
	return a.sendCSV(c, "lines.csv", func(_ context.Context, w io.Writer) error {
		out := csv.NewWriter(w)
		_ = out.Write([]string{"line", "problem"})
		for _, row := range problems {
			_ = out.Write([]string{strconv.Itoa(row.Line), ListProblem(ctx, *row.Problem)})
		}
		out.Flush()
		return out.Error()
	})
}
