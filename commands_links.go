package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/schollz/progressbar/v3"

	"spar/internal/audit"
	"spar/internal/keyring"
	"spar/keymgr"
	"spar/mapper"
)

type linksCommand struct {
	Import linksImportCommand `cmd:"" help:"Load links from a CSV file, after checking every line."`
	Export linksExportCommand `cmd:"" help:"Write all links as CSV, in clear: whoever can read the keys can."`
}

// withRegistry runs do on the registry of the configured database, with its keys, whether or not a server is running.
func (c *console) withRegistry(do func(*mapper.Service) error) error {
	return c.withDatabase(func(cfg Config, db *sqlx.DB) error {
		ring, err := keyring.Open(c.ctx, db, cfg.Keys.Dir, time.Now())
		if err != nil {
			return err
		}
		created := ring.Created
		if len(created) > 0 {
			// A server that finds these keys will expect all the others too.
			_, signing, err := keymgr.OpenOwnKeys(cfg.Keys.Dir, time.Now)
			if err != nil {
				return err
			}
			if signing != "" {
				created = append(created, signing)
			}
		}
		for _, path := range created {
			fmt.Fprintf(c.stderr, "spar: created %s: back it up, without it the database cannot be read\n", path)
		}
		trail, err := audit.Open(c.ctx, db, ring.Audit, ring.NewAudit(), time.Now)
		if err != nil {
			return fmt.Errorf("open audit log: %w", err)
		}
		service, err := mapper.NewService(mapper.Config{
			DB: db, Sealer: mapper.Sealer{Records: ring.Records, Lookup: ring.Lookup},
			Strategies: mapper.NewStrategies(db, time.Now), Directory: mapper.NewDirectory(db, time.Now), Trail: trail,
			MessageWindow: cfg.Mapper.MessageWindow, KnownDFSPOnly: cfg.Mapper.KnownDFSPOnly, Now: time.Now,
		})
		if err != nil {
			return err
		}
		return do(service)
	})
}

type linksImportCommand struct {
	File       string `arg:"" help:"CSV file whose first line names the columns: id, fa, and if you like name and phone."`
	IDTemplate string `name:"id-template" help:"How an ID is made of columns, such as token:{id}@nationalid." placeholder:"TEMPLATE"`
	FATemplate string `name:"fa-template" help:"How an address is made of columns, such as account:{account}@{branch}.{bank}.bank_acc." placeholder:"TEMPLATE"`
	Strategy   string `help:"Accept only addresses of this strategy, such as bank." placeholder:"NAME"`
	Partner    string `help:"Reference id of the partner whose list this is, for the history; without it: the operator." placeholder:"REFERENCE-ID"`
	Replace    bool   `help:"Move people who are linked to another account to the one in the file. Without it such lines are refused."`
	DryRun     bool   `help:"Change nothing: say what would become of every line."`
	SkipWrong  bool   `help:"Import the lines that are right although others are wrong."`
	Report     string `help:"Write a CSV with the outcome of every line to this file." placeholder:"FILE"`
	Chunk      int    `help:"Lines in one transaction." default:"10000"`
	Workers    int    `help:"Transactions side by side; 0: as many as there are processors." default:"0"`
}

func (linksImportCommand) Help() string {
	return `Every line is checked before the first is stored. An import that was interrupted goes on where it stopped when the same command is given again. Each chunk is one transaction with its history. Example: spar links import people.csv --id-template "token:{id}@nationalid" --strategy bank --dry-run`
}

func (i linksImportCommand) Validate() error {
	if i.Chunk < 1 || i.Chunk > 50000 {
		return errors.New("--chunk: expected 1 to 50000")
	}
	if i.Workers < 0 || i.Workers > 64 {
		return errors.New("--workers: expected 0 to 64")
	}
	return nil
}

func (i linksImportCommand) Run(c *console) error {
	return c.withRegistry(func(service *mapper.Service) error {
		run := &linksImport{linksImportCommand: i, console: c, service: service}
		if run.Workers == 0 {
			run.Workers = runtime.NumCPU()
		}
		return run.do()
	})
}

// linksImport is one run of the command.
type linksImport struct {
	linksImportCommand
	*console
	service *mapper.Service
	job     mapper.Import
	lines   int
	report  *importReport
}

func (r *linksImport) do() (err error) {
	if r.report, err = newImportReport(r.linksImportCommand.Report, r.stderr); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.report.close()) }()
	wrong, err := r.check()
	if err != nil {
		return err
	}
	r.job.DryRun = r.DryRun
	if len(wrong) > 0 && !r.SkipWrong && !r.DryRun {
		return fmt.Errorf("%d of %d lines are wrong: nothing was imported; correct them, or leave them out with --skip-wrong", len(wrong), r.lines)
	}
	done, finished := map[int]mapper.ImportCounts{}, false
	if r.DryRun {
		r.job.ChunkSize = r.Chunk
	} else if done, finished, err = r.service.BeginImport(r.ctx, &r.job); err != nil {
		return err
	}
	var total mapper.ImportCounts
	for _, counts := range done {
		total.Add(counts)
	}
	if finished {
		return r.say("this file was imported before", total)
	}
	if len(done) > 0 {
		fmt.Fprintf(r.stderr, "spar: going on after %d lines that are in already\n", total.Lines())
	}
	counts, err := r.load(wrong, done, total.Lines())
	total.Add(counts)
	if err != nil {
		if r.ctx.Err() != nil {
			return fmt.Errorf("interrupted after %d of %d lines: give the same command again to go on", total.Lines(), r.lines)
		}
		return err
	}
	if r.DryRun {
		return r.say("nothing was changed; it would be", total)
	}
	if err := r.service.FinishImport(r.ctx, r.job, r.actor(), total); err != nil {
		return err
	}
	return r.say("imported", total)
}

func (r *linksImport) say(what string, c mapper.ImportCounts) error {
	_, err := fmt.Fprintf(r.stdout, "%s: %d added, %d replaced, %d unchanged, %d refused\n", what, c.Added, c.Replaced, c.Unchanged, c.Refused)
	return err
}

// check reads the whole file once: it names the import by its content, counts its lines, and finds those that are wrong in
// themselves or have the ID of an earlier one. They are reported and returned by their number.
func (r *linksImport) check() (wrong map[int]string, err error) {
	file, err := openLinks(r.File, r.IDTemplate, r.FATemplate)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r.job = mapper.Import{ChunkSize: r.Chunk, Partner: r.Partner, Strategy: r.Strategy, Replace: r.Replace}
	checker, err := r.service.ImportChecker(r.ctx, r.job)
	if err != nil {
		return nil, err
	}
	ids := newRepeats()
	wrong = map[int]string{}
	bar := r.progress(-1, "checking")
	for {
		item, line, problem, err := file.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.File, err)
		}
		r.lines++
		if problem == "" {
			problem = checker(item)
		}
		if problem != "" {
			wrong[line] = problem
		} else {
			ids.add(item.ID.Value)
		}
		if r.lines%r.Chunk == 0 {
			if err := r.ctx.Err(); err != nil {
				return nil, fmt.Errorf("check %s: %w", r.File, err)
			}
			_ = bar.Set(r.lines)
		}
	}
	_ = bar.Clear()
	r.job.ID = file.sum(r.IDTemplate, r.FATemplate, r.Strategy, r.Partner, strconv.FormatBool(r.Replace))
	if ids.any() {
		if err := r.findRepeats(ids, wrong); err != nil {
			return nil, err
		}
	}
	for _, line := range slices.Sorted(maps.Keys(wrong)) {
		r.report.line(line, mapper.Outcome{State: mapper.Refused, Message: wrong[line]})
	}
	return wrong, nil
}

// findRepeats reads the file again to say which lines have the ID of an earlier one.
func (r *linksImport) findRepeats(ids *repeats, wrong map[int]string) error {
	file, err := openLinks(r.File, r.IDTemplate, r.FATemplate)
	if err != nil {
		return err
	}
	defer file.Close()
	first := map[string]int{}
	for {
		item, line, problem, err := file.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.File, err)
		}
		if problem != "" || wrong[line] != "" || !ids.repeated(item.ID.Value) {
			continue
		}
		id := folded(item.ID.Value)
		if earlier, ok := first[id]; ok {
			wrong[line] = fmt.Sprintf("the ID is on line %d too", earlier)
		} else {
			first[id] = line
		}
	}
}

// chunk is a part of the file on its way to the registry.
type linksChunk struct {
	number int
	items  []mapper.Item
	lines  []int
	wrong  int
}

// load reads the file again and stores it, some chunks at a time.
func (r *linksImport) load(wrong map[int]string, done map[int]mapper.ImportCounts, before int) (total mapper.ImportCounts, err error) {
	file, err := openLinks(r.File, r.IDTemplate, r.FATemplate)
	if err != nil {
		return total, err
	}
	defer file.Close()
	what := "importing"
	if r.DryRun {
		what = "comparing"
	}
	bar := r.progress(r.lines, what)
	_ = bar.Set(before)
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	chunks := make(chan linksChunk)
	var workers sync.WaitGroup
	var mu sync.Mutex
	for range r.Workers {
		workers.Go(func() {
			for chunk := range chunks {
				outcomes, err := r.service.ImportChunk(ctx, r.job, chunk.number, r.actor(), chunk.items, chunk.wrong)
				if err != nil {
					cancel(err)
					continue
				}
				mu.Lock()
				counts := mapper.CountOutcomes(outcomes)
				counts.Refused += chunk.wrong
				total.Add(counts)
				for i, outcome := range outcomes {
					r.report.line(chunk.lines[i], outcome)
				}
				_ = bar.Add(counts.Lines())
				mu.Unlock()
			}
		})
	}
	err = r.feed(ctx, file, wrong, done, chunks)
	close(chunks)
	workers.Wait()
	_ = bar.Clear()
	if cause := context.Cause(ctx); cause != nil {
		return total, cause
	}
	if err == nil && !r.DryRun && file.sum(r.IDTemplate, r.FATemplate, r.Strategy, r.Partner, strconv.FormatBool(r.Replace)) != r.job.ID {
		err = fmt.Errorf("%s was changed while it was imported", r.File)
	}
	return total, err
}

// feed cuts the file into chunks, always in the same places, and sends those that are not in yet.
func (r *linksImport) feed(ctx context.Context, file *linksFile, wrong map[int]string, done map[int]mapper.ImportCounts, chunks chan<- linksChunk) error {
	chunk := linksChunk{}
	send := func() bool {
		_, isDone := done[chunk.number]
		if !isDone {
			select {
			case chunks <- chunk:
			case <-ctx.Done():
				return false
			}
		}
		chunk = linksChunk{number: chunk.number + 1}
		return true
	}
	for {
		item, line, _, err := file.next()
		if errors.Is(err, io.EOF) {
			if len(chunk.items)+chunk.wrong > 0 {
				send()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.File, err)
		}
		if wrong[line] != "" {
			chunk.wrong++
		} else {
			chunk.items, chunk.lines = append(chunk.items, item), append(chunk.lines, line)
		}
		if len(chunk.items)+chunk.wrong == r.job.ChunkSize && !send() {
			return nil
		}
	}
}

// progress shows how far something is, how fast, and how long it will take.
func (r *linksImport) progress(total int, what string) *progressbar.ProgressBar {
	return newProgress(r.stderr, total, what)
}

func newProgress(w io.Writer, total int, what string) *progressbar.ProgressBar {
	if file, ok := w.(*os.File); !ok || !isTerminal(file) {
		w = io.Discard
	}
	return progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("lines"),
		progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionFullWidth())
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// importReport tells what became of the lines: all of them in a file if one was asked for, and the first wrong ones on
// standard error. It names lines and nothing of what is on them.
type importReport struct {
	file   *os.File
	csv    *csv.Writer
	stderr io.Writer
	shown  int
}

const shownLines = 20

func newImportReport(path string, stderr io.Writer) (*importReport, error) {
	r := &importReport{stderr: stderr}
	if path == "" {
		return r, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	r.file, r.csv = file, csv.NewWriter(file)
	return r, r.csv.Write([]string{"line", "outcome", "message"})
}

func (r *importReport) line(number int, o mapper.Outcome) {
	if r.csv != nil {
		_ = r.csv.Write([]string{strconv.Itoa(number), string(o.State), o.Message}) // its error is kept, and told by close
	}
	if o.State != mapper.Refused {
		return
	}
	switch r.shown++; {
	case r.shown <= shownLines:
		fmt.Fprintf(r.stderr, "line %d: %s\n", number, o.Message)
	case r.shown == shownLines+1 && r.csv == nil:
		fmt.Fprintln(r.stderr, "there are more; --report FILE has them all")
	}
}

func (r *importReport) close() error {
	if r.csv == nil {
		return nil
	}
	r.csv.Flush()
	return errors.Join(r.csv.Error(), r.file.Close())
}

type linksExportCommand struct {
	Output string `short:"o" help:"File to write, closed to everyone but its owner; standard output if not given." placeholder:"FILE"`
}

func (linksExportCommand) Help() string {
	return `The columns are those that spar links import reads, and the status and day of each link. It can take a while, and needs the keys of keys.dir. That somebody exported is in the audit log. Example: spar links export -o links.csv`
}

func (e linksExportCommand) Run(c *console) error {
	return c.withRegistry(func(service *mapper.Service) error {
		out := c.stdout
		if e.Output != "" {
			file, err := os.OpenFile(e.Output, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("write the export: %w", err)
			}
			defer file.Close()
			n, err := e.write(c, service, file)
			if err == nil {
				err = file.Close()
			}
			if err != nil {
				return errors.Join(fmt.Errorf("write %s after %d links: %w", e.Output, n, err), os.Remove(e.Output)) // half a list would pass for a whole one
			}
			_, err = fmt.Fprintf(c.stdout, "exported %d links\n", n)
			return err
		}
		_, err := e.write(c, service, out)
		return err
	})
}

func (e linksExportCommand) write(c *console, service *mapper.Service, w io.Writer) (n int, err error) {
	total, err := service.CountLinks(c.ctx)
	if err != nil {
		return 0, err
	}
	bar := newProgress(c.stderr, total, "exporting")
	defer func() { _ = bar.Clear() }()
	out := csv.NewWriter(w)
	if err := out.Write(append(slices.Clone(linksColumns), "status", "linked_at")); err != nil {
		return 0, err
	}
	for link, err := range service.Export(c.ctx, c.actor()) {
		if err != nil {
			return n, err
		}
		status := "inactive"
		if link.Active {
			status = "active"
		}
		cells := []string{string(link.ID), link.FA, link.Name, link.Phone, status, link.LinkedAt.Format(time.RFC3339)}
		for i := range cells {
			cells[i] = guardedValue(cells[i])
		}
		if err := out.Write(cells); err != nil {
			return n, err
		}
		n++
		if n%1000 == 0 {
			_ = bar.Set(n)
		}
	}
	out.Flush()
	return n, out.Error()
}
