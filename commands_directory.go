package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/internal/audit"
	"spar/mapper"
	"spar/mapper/lists"
)

type directoryCommand struct {
	Import directoryImportCommand `cmd:"" help:"Load banks, wallet providers or branches from a CSV file, after showing what changes."`
	Export directoryExportCommand `cmd:"" help:"Write the banks and wallet providers, or the branches, as CSV."`
}

// withDirectory runs do on the directory of the configured database, whether or not a server is running on it. Only who
// changes it needs the audit log.
func (c *console) withDirectory(changes bool, do func(*mapper.DirectoryAdmin) error) error {
	return c.withDatabase(func(cfg Config, db *sqlx.DB) (err error) {
		var trail *audit.Log
		if changes {
			if trail, err = c.openTrail(cfg, db); err != nil {
				return err
			}
		}
		return do(mapper.NewDirectoryAdmin(mapper.NewDirectory(db, time.Now), mapper.NewStrategies(db, time.Now), trail))
	})
}

type directoryImportCommand struct {
	File      string `arg:"" help:"CSV file whose first line names the columns; - for what is piped in."`
	Complete  bool   `help:"The file is the complete list: close what is in the directory and not in it."`
	DryRun    bool   `help:"Change nothing: say what would change."`
	SkipWrong bool   `help:"Import the lines that are right although others are wrong; not with --complete."`
}

func (directoryImportCommand) Help() string {
	return "The columns say what it is a list of. Branches: bank_code, branch_code, name, and if you like bank_name, town, area, address, active. Providers: code, name, kind (bank, mobile_wallet, email_wallet), and if you like strategy, active. The public IFSC list is taken as it is. Nothing is changed unless all lines are right. Example: spar directory import ifsc.csv --complete --dry-run"
}

func (i directoryImportCommand) Validate() error {
	if i.Complete && i.SkipWrong {
		return errors.New("--complete and --skip-wrong cannot both be: what stands on a wrong line would be closed")
	}
	return nil
}

// problemsPrinted is how many wrong lines are listed.
const problemsPrinted = 20

func (i directoryImportCommand) Run(c *console) error {
	in := c.stdin
	if i.File != "-" {
		file, err := os.Open(i.File)
		if err != nil {
			return fmt.Errorf("open list: %w", err)
		}
		defer file.Close()
		in = file
	}
	return c.withDirectory(!i.DryRun, func(directory *mapper.DirectoryAdmin) error {
		prepared, err := i.prepare(c, directory, in)
		if err != nil {
			return err
		}
		switch {
		case i.DryRun:
			err = directory.Forget(c.ctx, prepared.ID)
		case prepared.Problems > 0 && !i.SkipWrong:
			err = errors.Join(directory.Forget(c.ctx, prepared.ID),
				fmt.Errorf("%d of %d lines are wrong: nothing was changed; correct them, or leave them out with --skip-wrong", prepared.Problems, prepared.Lines+prepared.Problems))
		default:
			prepared, err = directory.Apply(c.ctx, c.actor(), prepared.ID, prepared.Digest)
		}
		if err != nil {
			return err
		}
		return i.say(c.stdout, prepared)
	})
}

// prepare reads the list and names the lines that cannot be used.
func (i directoryImportCommand) prepare(c *console, directory *mapper.DirectoryAdmin, in io.Reader) (mapper.DirectoryImport, error) {
	reader, err := lists.NewReader(in)
	if err != nil {
		return mapper.DirectoryImport{}, err
	}
	const every = 20_000
	told := 0
	prepared, err := directory.Prepare(c.ctx, c.actor(), reader, i.Complete, func(lines int) {
		if lines-told >= every {
			told = lines
			fmt.Fprintf(c.stderr, "spar: %d lines read\n", lines)
		}
	})
	if err != nil {
		return prepared, err
	}
	wrong, err := directory.ImportProblems(c.ctx, prepared, problemsPrinted)
	if err != nil {
		return prepared, err
	}
	for _, row := range wrong {
		fmt.Fprintf(c.stderr, "spar: line %d: %s\n", row.Line, handlers.ListProblem(c.ctx, *row.Problem))
	}
	if more := prepared.Problems - len(wrong); more > 0 {
		fmt.Fprintf(c.stderr, "spar: and %d more wrong lines\n", more)
	}
	return prepared, nil
}

func (i directoryImportCommand) say(w io.Writer, done mapper.DirectoryImport) error {
	what := "providers"
	if done.Branches {
		what = "branches"
	}
	result := "imported"
	if i.DryRun {
		result = "would be imported"
	}
	_, err := fmt.Fprintf(w, "%s %s: %d new, %d changed, %d closed, %d as they were", what, result, done.Added, done.Changed, done.Removed, done.Unchanged())
	if err == nil && done.Banks > 0 {
		_, err = fmt.Fprintf(w, "; new banks: %d", done.Banks)
	}
	if err == nil && done.Problems > 0 {
		_, err = fmt.Fprintf(w, "; wrong lines left out: %d", done.Problems)
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
	}
	return err
}

type directoryExportCommand struct {
	Providers bool `help:"Write the banks and wallet providers." xor:"what"`
	Branches  bool `help:"Write the branches of all banks." xor:"what"`
}

func (directoryExportCommand) Help() string {
	return "The file has the columns that spar directory import takes, and cells that spreadsheets would take for a formula begin with an apostrophe. Example: spar directory export --branches > branches.csv"
}

func (e directoryExportCommand) Validate() error {
	if !e.Providers && !e.Branches {
		return errors.New("expected --providers or --branches")
	}
	return nil
}

func (e directoryExportCommand) Run(c *console) error {
	return c.withDirectory(false, func(directory *mapper.DirectoryAdmin) error {
		if e.Branches {
			return lists.WriteBranches(c.ctx, c.stdout, directory)
		}
		return lists.WriteProviders(c.ctx, c.stdout, directory)
	})
}
