package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/migrations"
	"spar/migrations/dbtest"
)

// registry is a database that commands work on.
type registry struct {
	t       *testing.T
	environ []string
	keys    string
	db      *sqlx.DB
}

func eachRegistry(t *testing.T, test func(t *testing.T, r *registry)) {
	urls := map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteURL}
	if dbtest.HasPostgreSQL(t) {
		urls["postgres"] = dbtest.PostgreSQLURL
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			r := &registry{t: t, keys: filepath.Join(t.TempDir(), "keys")}
			address := url(t)
			r.environ = append(os.Environ(), "SPAR_DATABASE__URL="+address, "SPAR_KEYS__DIR="+r.keys, "SPAR_CONFIG="+configFile(t, "listen: 127.0.0.1:0\n"))
			r.spar("migrate", "up").succeeds()
			db, err := migrations.Open(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			r.db = db
			test(t, r)
		})
	}
}

// ran is what came of a command.
type ran struct {
	t              *testing.T
	code           int
	stdout, stderr string
}

func (r *registry) spar(args ...string) ran {
	r.t.Helper()
	code, stdout, stderr := command(r.t, "", r.environ, args...)
	return ran{r.t, code, stdout, stderr}
}

func (r ran) succeeds(parts ...string) ran {
	r.t.Helper()
	return r.ends(0, parts...)
}

func (r ran) ends(code int, parts ...string) ran {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("status %d, want %d\n%s%s", r.code, code, r.stdout, r.stderr)
	}
	for _, part := range parts {
		if !strings.Contains(r.stdout+r.stderr, part) {
			r.t.Errorf("%q is not in the output:\n%s%s", part, r.stdout, r.stderr)
		}
	}
	return r
}

func (r *registry) count(query string) (n int) {
	r.t.Helper()
	if err := r.db.Get(&n, query); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func csvFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "links.csv")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	fa1 = "account:11111111@001.ALPHA.bank_acc"
	fa2 = "account:22222222@001.ALPHA.bank_acc"
	fa3 = "mobile:+12025550123@WALLET.mobile_wallet"
)

func TestLinksImport(t *testing.T) {
	eachRegistry(t, func(t *testing.T, r *registry) {
		wrong := csvFile(t, "id,fa,name,phone",
			"token:1@nationalid,"+fa1+",Amara,+12025550123",
			"no id,"+fa1+",,",
			"token:3@nationalid,nonsense,,",
			"token:1@NationalID,"+fa2+",,",
			"token:5@nationalid,"+fa2+",,call me",
			"token:6@nationalid,"+fa2+",only three",
			"token:7@nationalid,"+fa3+",,")
		r.spar("links", "import", wrong).ends(1, "5 of 7 lines are wrong: nothing was imported",
			"line 3: ID must have the form", "line 4: FA does not have the form", "line 5: the ID is on line 2 too", "line 6: phone_number", "line 7: the line has 3 values")
		if n := r.count(`SELECT COUNT(*) FROM links`); n != 0 {
			t.Fatalf("%d links after a refused import", n)
		}
		report := filepath.Join(t.TempDir(), "report.csv")
		r.spar("links", "import", wrong, "--dry-run", "--report", report).succeeds("nothing was changed; it would be: 2 added, 0 replaced, 0 unchanged, 5 refused")
		text, err := os.ReadFile(report)
		if err != nil || strings.Count(string(text), "\n") != 8 || strings.Contains(string(text), "nationalid") {
			t.Errorf("the report is %s (%v)", text, err)
		}
		if n := r.count(`SELECT COUNT(*) FROM links`) + r.count(`SELECT COUNT(*) FROM link_imports`); n != 0 {
			t.Fatalf("%d rows after a dry run", n)
		}
		r.spar("links", "import", wrong, "--skip-wrong").succeeds("imported: 2 added, 0 replaced, 0 unchanged, 5 refused")
		r.spar("links", "import", wrong, "--skip-wrong").succeeds("this file was imported before: 2 added, 0 replaced, 0 unchanged, 5 refused")
		if links, history := r.count(`SELECT COUNT(*) FROM links`), r.count(`SELECT COUNT(*) FROM link_history`); links != 2 || history != 2 {
			t.Errorf("%d links with %d changes, want 2 and 2", links, history)
		}

		moved := csvFile(t, "PHONE;no", "id,fa") // a header that does not fit
		r.spar("links", "import", moved).ends(1, `there is no column "id"`)
		moved = csvFile(t, "fa,id", fa2+",TOKEN:1@nationalid", fa3+",token:7@nationalid", fa1+",token:8@nationalid")
		r.spar("links", "import", moved).succeeds("1 added, 0 replaced, 1 unchanged, 1 refused", "line 2: the ID is linked to another account")
		r.spar("links", "import", moved, "--replace").succeeds("0 added, 1 replaced, 2 unchanged, 0 refused")
		if n := r.count(`SELECT COUNT(*) FROM link_history WHERE action = 'update' AND version = 2`); n != 1 {
			t.Errorf("%d updates in the history, want 1", n)
		}
		r.spar("audit", "verify").succeeds("events are in order")
		if files, err := filepath.Glob(filepath.Join(r.keys, "signing-*.pem")); err != nil || len(files) != 1 {
			t.Errorf("a server could not start on this registry: its signing keys are %v (%v)", files, err)
		}
		if n := r.count(`SELECT COUNT(*) FROM audit_events WHERE action = 'links.import'`); n != 3 {
			t.Errorf("%d imports in the audit log, want 3", n)
		}
	})
}

func TestLinksImportTemplates(t *testing.T) {
	eachRegistry(t, func(t *testing.T, r *registry) {
		file := csvFile(t, "\ufeffNational_ID,account,branch,Name", "1001,11111111,001,'=Amara", "1002,,001,José", "1003,22222222,002,Li")
		template := []string{"--id-template", "token:{national_id}@nationalid", "--fa-template", "account:{account}@{branch}.ALPHA.bank_acc"}
		r.spar(append([]string{"links", "import", file, "--strategy", "mobile wallet"}, template...)...).ends(1, "3 of 3 lines are wrong")
		r.spar(append([]string{"links", "import", file, "--strategy", "unheard of"}, template...)...).ends(1, `there is no active strategy "unheard of"`)
		r.spar(append([]string{"links", "import", file, "--strategy", "bank", "--skip-wrong"}, template...)...).succeeds("2 added, 0 replaced, 0 unchanged, 1 refused", "line 3: FA is null")

		out := filepath.Join(t.TempDir(), "out.csv")
		r.spar("links", "export", "-o", out).succeeds("exported 2 links")
		r.spar("links", "export", "-o", out).ends(1, "exists") // never over another list
		if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the export may be read by others: %v, %v", info, err)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
		if err != nil || len(rows) != 3 {
			t.Fatalf("%v %q", err, rows)
		}
		for _, want := range []string{"token:1001@nationalid," + strings.Replace(fa1, "11111111@001", "11111111@001", 1) + ",'=Amara,,active,", "token:1003@nationalid,account:22222222@002.ALPHA.bank_acc,Li,,active,"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%q is not in the export:\n%s", want, text)
			}
		}
		if n := r.count(`SELECT COUNT(*) FROM audit_events WHERE action = 'links.export'`); n != 1 {
			t.Errorf("%d exports in the audit log, want 1", n)
		}
		// What was exported can be imported: nothing changes.
		r.spar("links", "import", out).succeeds("0 added, 0 replaced, 2 unchanged, 0 refused")
	})
}

// An import that is killed goes on where it stopped: every line is in once, with one change in the history.
func TestLinksImportKilled(t *testing.T) {
	if os.Getenv("TEST_COMMAND") != "" {
		os.Exit(run(context.Background(), strings.Split(os.Getenv("TEST_COMMAND"), "\n"), os.Environ(), os.Stdin, os.Stdout, os.Stderr))
	}
	const lines = 20000
	rows := []string{"id,fa"}
	for i := range lines {
		rows = append(rows, fmt.Sprintf("token:%d@nationalid,account:%08d@001.ALPHA.bank_acc", i, i))
	}
	file := csvFile(t, rows...)
	eachRegistry(t, func(t *testing.T, r *registry) {
		args := []string{"links", "import", file, "--chunk", "200", "--workers", "2"}
		for part := 1; part <= 2; part++ {
			process := exec.Command(os.Args[0], "-test.run=^TestLinksImportKilled$")
			process.Env = append(r.environ, "TEST_COMMAND="+strings.Join(args, "\n"))
			var said bytes.Buffer
			process.Stdout, process.Stderr = &said, &said
			if err := process.Start(); err != nil {
				t.Fatal(err)
			}
			deadline := time.After(time.Minute)
			for r.count(`SELECT COUNT(*) FROM link_import_chunks`) < 10*part {
				select {
				case <-deadline:
					t.Fatalf("the import does not begin: %s", said.String())
				case <-time.After(time.Millisecond):
				}
			}
			if err := process.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := process.Wait(); err == nil {
				t.Fatal("the import was over before it was killed")
			}
			if links, counted := r.count(`SELECT COUNT(*) FROM links`), r.count(`SELECT SUM(added) FROM link_import_chunks`); links != counted || links == lines {
				t.Fatalf("%d links, but %d counted", links, counted)
			}
		}
		r.spar(args...).succeeds("going on after", fmt.Sprintf("imported: %d added, 0 replaced, 0 unchanged, 0 refused", lines))
		if links, history := r.count(`SELECT COUNT(*) FROM links`), r.count(`SELECT COUNT(*) FROM link_history`); links != lines || history != lines {
			t.Errorf("%d links with %d changes, want %d of each", links, history, lines)
		}
		r.spar("audit", "verify").succeeds("events are in order")
	})
}

func FuzzLinksFile(f *testing.F) {
	f.Add("id,fa\n1,2\n", "token:{id}@x", "")
	f.Add("\ufeffID,Fa,NAME\n\"a\nb\",'=c,d\n,,\n", "", "{fa}")
	f.Fuzz(func(t *testing.T, text, id, fa string) {
		path := filepath.Join(t.TempDir(), "f.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := openLinks(path, id, fa)
		if err != nil {
			return
		}
		defer file.Close()
		for last := 0; ; {
			item, line, problem, err := file.next()
			if err != nil {
				return
			}
			if line <= last {
				t.Fatalf("line %d after %d", line, last)
			}
			last = line
			if problem == "" && len(item.ID.Value) > maxLinkValue {
				t.Fatal("a value that is too long")
			}
		}
	})
}
