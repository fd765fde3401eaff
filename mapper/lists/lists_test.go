package lists_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/mapper"
	"spar/mapper/lists"
	"spar/migrations/dbtest"
)

func newAdmin(t testing.TB, db *sqlx.DB) *mapper.DirectoryAdmin {
	t.Helper()
	return mapper.NewDirectoryAdmin(mapper.NewDirectory(db, time.Now), mapper.NewStrategies(db, time.Now), audittest.New(t, db))
}

func prepare(t testing.TB, a *mapper.DirectoryAdmin, text string, complete bool) mapper.DirectoryImport {
	t.Helper()
	reader, err := lists.NewReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	i, err := a.Prepare(t.Context(), audittest.By, reader, complete, nil)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func apply(t testing.TB, a *mapper.DirectoryAdmin, text string, complete bool) mapper.DirectoryImport {
	t.Helper()
	i := prepare(t, a, text, complete)
	i, err := a.Apply(t.Context(), audittest.By, i.ID, i.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func counts(i mapper.DirectoryImport) string {
	return fmt.Sprintf("%d lines, %d problems, %d added, %d changed, %d removed, %d banks", i.Lines, i.Problems, i.Added, i.Changed, i.Removed, i.Banks)
}

const (
	providersList = "code,name,kind\nALPHA,Alpha Bank,bank\nGAMMA,Gamma Money,mobile_wallet\n"
	branchesList  = "bank_code,branch_code,name,town,area,address\nALPHA,001,Main,Capital,\"North, State\",1 High Street\nALPHA,002,Port,Harbour,,\n"
	// as the public list has it
	ifscList = "BANK,IFSC,BRANCH,CENTRE,DISTRICT,STATE,ADDRESS,CONTACT,IMPS,CITY\n" +
		"State Bank,SBIN0000001,KOLKATA MAIN,KOLKATA,KOLKATA,WEST BENGAL,\"1, STRAND ROAD, KOLKATA\",9133,true,KOLKATA\n" +
		"State Bank,SBIN0000002,Ānand,ANAND,ANAND,GUJARAT,NA,,true,BORSAD\n" +
		"State Banc,SBIN0000003,Third,NA,NA,GUJARAT,x,,true,NA\n"
)

func branch(t *testing.T, a *mapper.DirectoryAdmin, dfsp, code string) mapper.Branch {
	t.Helper()
	b, err := a.Branch(t.Context(), dfsp, code)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A directory begins with lists, is corrected by lists, and every change is shown before it is made.
func TestImport(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		a := newAdmin(t, db)
		steps := []struct {
			list     string
			complete bool
			want     string
		}{
			{providersList, false, "2 lines, 0 problems, 2 added, 0 changed, 0 removed, 0 banks"},
			{branchesList, false, "2 lines, 0 problems, 2 added, 0 changed, 0 removed, 0 banks"},
			{branchesList, true, "2 lines, 0 problems, 0 added, 0 changed, 0 removed, 0 banks"},
			{ifscList, false, "3 lines, 0 problems, 3 added, 0 changed, 0 removed, 1 banks"},
			{"bank_code;branch_code;name\nalpha;001;Main Square\n", false, "1 lines, 0 problems, 0 added, 1 changed, 0 removed, 0 banks"},
			{"bank_code\tbranch_code\tname\tactive\nALPHA\t001\tMain Square\tno\n", false, "1 lines, 0 problems, 0 added, 1 changed, 0 removed, 0 banks"},
			{ifscList, true, "3 lines, 0 problems, 0 added, 0 changed, 1 removed, 0 banks"}, // one is closed already
			{"code,name,kind\nGAMMA,Gamma,mobile wallet\n", true, "1 lines, 0 problems, 0 added, 1 changed, 2 removed, 0 banks"},
		}
		for n, step := range steps {
			i := apply(t, a, step.list, step.complete)
			if got := counts(i); got != step.want {
				t.Errorf("step %d: %s, want %s", n+1, got, step.want)
			}
			if after := prepare(t, a, step.list, step.complete); after.Added+after.Changed+after.Removed != 0 {
				t.Errorf("step %d: once more would be %s", n+1, counts(after))
			}
		}
		want := []mapper.Branch{
			{DFSP: "ALPHA", DFSPName: "Alpha Bank", Code: "001", Name: "Main Square", Town: "Capital", Area: "North, State", Address: "1 High Street"},
			{DFSP: "ALPHA", DFSPName: "Alpha Bank", Code: "002", Name: "Port", Town: "Harbour"},
			{DFSP: "SBIN", DFSPName: "State Bank", Code: "SBIN0000001", Name: "KOLKATA MAIN", Town: "KOLKATA", Area: "WEST BENGAL", Address: "1, STRAND ROAD, KOLKATA", Active: true},
			{DFSP: "SBIN", DFSPName: "State Bank", Code: "SBIN0000002", Name: "Ānand", Town: "ANAND", Area: "BORSAD, GUJARAT", Active: true},
			{DFSP: "SBIN", DFSPName: "State Bank", Code: "SBIN0000003", Name: "Third", Town: "GUJARAT", Address: "x", Active: true},
		}
		var got []mapper.Branch
		if err := a.AllBranches(t.Context(), func(b mapper.Branch) error { got = append(got, b); return nil }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		events, err := audittest.New(t, db).List(t.Context(), audit.Filter{Action: audit.DirectoryImport, Limit: 100})
		if err != nil || len(events) != len(steps)-1 { // one changed nothing
			t.Errorf("%d events, %v", len(events), err)
		}
		if d := events[0].Detail; d["list"] != "providers" || d["complete"] != "true" || d["removed"] != "2" || d["changed"] != "1" {
			t.Errorf("the event says %v", d)
		}
	})
}

// Every line that cannot be used is named, with the reason; the others can be applied, unless the list shall be complete.
func TestImportProblems(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		a := newAdmin(t, db)
		apply(t, a, providersList, false)
		i := prepare(t, a, "bank_code,branch_code,name,town,active\n"+
			"ALPHA,001,Main,Capital,yes\n"+ // 2
			"ALPHA,001,Again,Capital,yes\n"+
			"ALPHA,00 1,Space,,\n"+ // 4
			",002,No bank,,\n"+
			"GAMMA,003,Of a wallet,,\n"+ // 6
			"DELTA,004,Of nobody,,\n"+
			"ALPHA,005,,Town,\n"+ // 8
			"ALPHA,006,Unquoted, comma,Town,yes\n"+
			"ALPHA,007,Bad \xff byte,,\n"+ // 10
			"ALPHA,008,Nul \x00 byte,,\n"+
			"ALPHA,009,Turned \u202e round,,\n"+ // 12
			"ALPHA,010,Active?,,perhaps\n"+
			"ALPHA,011,\"bad\" quotes,,\n"+ // 14
			"ALPHA,012,"+strings.Repeat("long", 60)+",,\n"+
			" , ,,,\n"+ // 16: nothing on it
			"ALPHA,013,\"Two\nlines\",Town,\n", false)
		p, err := a.Preview(t.Context(), i, 100)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range p.Problems {
			got = append(got, fmt.Sprintf("%d %s %s %s", row.Line, row.Problem.Code, row.Problem.Field, row.Problem.Value))
		}
		want := []string{
			"3 twice branch_code 2", "4 code_form branch_code 00 1", "5 missing bank_code ", "6 not_a_bank bank_code GAMMA",
			"7 bank_unknown bank_code DELTA", "8 missing name ", "9 cells  ", "10 encoding name ", "11 unreadable name ", "12 unreadable name ",
			"13 active_unknown active perhaps", "14 quotes  ", "15 too_long name 200",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if got := counts(i); got != "2 lines, 13 problems, 2 added, 0 changed, 0 removed, 0 banks" {
			t.Error(got)
		}
		if i, err = a.Apply(t.Context(), audittest.By, i.ID, i.Digest); err != nil || !i.Applied() {
			t.Errorf("the others cannot be applied: %v", err)
		}
		if b := branch(t, a, "ALPHA", "013"); b.Name != "Two lines" {
			t.Errorf("got %q", b.Name)
		}
		i = prepare(t, a, "bank_code,branch_code,name\nALPHA,001,Main\nALPHA,0 2,Typo\n", true)
		if _, err := a.Apply(t.Context(), audittest.By, i.ID, i.Digest); !errors.Is(err, mapper.ErrImportProblems) || i.Applicable() {
			t.Errorf("a complete list with a line that cannot be used: %v", err)
		}
		i = prepare(t, a, "code,name,kind,strategy\nALPHA,Alpha,mobile_wallet,\nOTHER,Other,bank,none\nNEW,New,shop,\n", false)
		if p, err = a.Preview(t.Context(), i, 100); err != nil || len(p.Problems) != 3 || p.Problems[0].Problem.Code != mapper.KindFixed ||
			p.Problems[1].Problem.Code != mapper.StrategyUnknown || p.Problems[2].Problem.Code != mapper.KindUnknown {
			t.Errorf("%+v, %v", p.Problems, err)
		}
	})
}

// What is applied is what was shown, to the directory that it was compared with, once.
func TestApplyOnlyWhatWasShown(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		now := time.Now()
		directory := mapper.NewDirectory(db, func() time.Time { return now })
		a := mapper.NewDirectoryAdmin(directory, mapper.NewStrategies(db, time.Now), audittest.New(t, db))
		applied := func(i mapper.DirectoryImport, digest string) error {
			_, err := a.Apply(t.Context(), audittest.By, i.ID, digest)
			return err
		}
		first, second := prepare(t, a, providersList, false), prepare(t, a, "code,name,kind\nBETA,Beta,bank\n", false)
		if err := applied(first, second.Digest); !errors.Is(err, mapper.ErrImportNotAsShown) {
			t.Errorf("with another digest: %v", err)
		}
		if err := applied(first, first.Digest); err != nil {
			t.Fatal(err)
		}
		if err := applied(first, first.Digest); err != nil {
			t.Errorf("the second time: %v", err)
		}
		if err := applied(second, second.Digest); !errors.Is(err, mapper.ErrImportStale) {
			t.Errorf("to a directory that was changed: %v", err)
		}
		if p, err := a.Preview(t.Context(), second, 10); err != nil || !p.Stale {
			t.Errorf("its preview: %+v, %v", p, err)
		}
		third := prepare(t, a, "code,name,kind\nBETA,Beta,bank\n", false)
		if _, err := db.Exec(db.Rebind(`UPDATE directory_import_rows SET name = 'Thief' WHERE import_id = ?`), third.ID); err != nil {
			t.Fatal(err)
		}
		if err := applied(third, third.Digest); !errors.Is(err, mapper.ErrImportNotAsShown) {
			t.Errorf("rows changed meanwhile: %v", err)
		}
		fourth := prepare(t, a, "code,name,kind\nBETA,Beta,bank\n", false)
		if err := a.Forget(t.Context(), fourth.ID); err != nil {
			t.Fatal(err)
		}
		if err := applied(fourth, fourth.Digest); !errors.Is(err, mapper.ErrNotFound) {
			t.Errorf("one given up: %v", err)
		}
		fifth := prepare(t, a, "code,name,kind\nBETA,Beta,bank\n", false)
		now = now.Add(4*time.Hour + time.Second)
		if _, err := a.Import(t.Context(), fifth.ID); !errors.Is(err, mapper.ErrNotFound) {
			t.Errorf("one that expired: %v", err)
		}
		now = now.Add(time.Hour)
		if err := a.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"directory_imports", "directory_import_rows", "directory_import_problems"} {
			var n int
			if err := db.Get(&n, `SELECT COUNT(*) FROM `+table); err != nil || n != 0 {
				t.Errorf("%d rows left in %s, %v", n, table, err)
			}
		}
		if p, err := a.Provider(t.Context(), "beta"); !errors.Is(err, mapper.ErrNotFound) {
			t.Errorf("%+v, %v", p, err)
		}
	})
}

// What was written can be read: it changes nothing. No cell begins like a formula.
func TestRoundTrip(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		a := newAdmin(t, db)
		apply(t, a, providersList+"EVIL,'=1+1,bank\nEVEL,''=1+1,bank\nPLUS,+Plus,bank\nQUOT,'t Hooft,bank\n", false)
		apply(t, a, branchesList+"EVIL,007,\"=HYPERLINK(\"\"http://evil.example\"\",\"\"x\"\")\",-2+3,@SUM(A1),\t=1\nPLUS,1,\"Comma, \"\"quote\"\" and; more\",,,\n", false)
		for _, write := range []func(io.Writer) error{
			func(w io.Writer) error { return lists.WriteBranches(t.Context(), w, a) },
			func(w io.Writer) error { return lists.WriteProviders(t.Context(), w, a) },
		} {
			var file bytes.Buffer
			if err := write(&file); err != nil {
				t.Fatal(err)
			}
			i := prepare(t, a, file.String(), true)
			if i.Problems != 0 || i.Added+i.Changed+i.Removed != 0 || i.Lines < 4 {
				p, _ := a.Preview(t.Context(), i, 10)
				t.Errorf("%s\n%+v\n%s", counts(i), p, file.String())
			}
			for line := range strings.Lines(file.String()) {
				for _, cell := range strings.Split(strings.TrimPrefix(line, "\ufeff"), ",") {
					if cell := strings.Trim(cell, "\"\n"); cell != "" && strings.ContainsAny(cell[:1], "=+-@\t") {
						t.Errorf("a cell begins like a formula: %s", line)
					}
				}
			}
		}
	})
}

func TestFilesThatAreNoLists(t *testing.T) {
	row := "ALPHA,001," + strings.Repeat("x", 10<<10) + "\n"
	for name, test := range map[string]struct {
		file string
		want error
	}{
		"nothing":              {"", lists.ErrEmpty},
		"a mark alone":         {"\xef\xbb\xbf", lists.ErrEmpty},
		"empty lines":          {"\n\n\n", lists.ErrEmpty},
		"UTF-16":               {"\xff\xfec\x00o\x00", lists.ErrEncoding},
		"Latin-1 in the names": {"code,n\xe4me,kind\n", lists.ErrEncoding},
		"other columns":        {"a,b,c\n1,2,3\n", lists.ErrColumns},
		"no first line":        {"ALPHA,Alpha Bank,bank\n", lists.ErrColumns},
		"a column twice":       {"code,name,kind,name\n", lists.ErrColumns},
		"HTML":                 {"<!DOCTYPE html>\n<html></html>", lists.ErrColumns},
		"an archive":           {"PK\x03\x04\x14\x00\x08\x08\x08\x00", lists.ErrColumns},
		"a quote left open":    {"bank_code,branch_code,name\nALPHA,001,\"Main\n" + strings.Repeat(row, 20), lists.ErrTooLong},
		"one huge line":        {"bank_code,branch_code,name\nALPHA,001," + strings.Repeat("x", 1<<20), lists.ErrTooLong},
		"a huge first line":    {strings.Repeat("x", 1<<20), lists.ErrTooLong},
	} {
		reader, err := lists.NewReader(strings.NewReader(test.file))
		for err == nil {
			_, err = reader.Next()
		}
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

// publicList is as large as the public IFSC list, and as long-winded.
func publicList(rows int) string {
	var b strings.Builder
	b.WriteString("BANK,IFSC,BRANCH,CENTRE,DISTRICT,STATE,ADDRESS,CONTACT,IMPS,RTGS,CITY,ISO3166,NEFT,MICR,UPI,SWIFT\n")
	for i := range rows {
		bank := i / 140
		fmt.Fprintf(&b, "Bank Number %d Limited,%c%c%c%c0%06d,BRANCH %d ROAD,TOWN %d,DISTRICT %d,STATE %d,\"%d, MARKET ROAD, NEAR OLD POST OFFICE, TOWN %d, DIST %d 110001\",+911234567890,true,true,TOWN %d,IN-XX,true,110002001,true,\n",
			bank, 'A'+bank/17576%26, 'A'+bank/676%26, 'A'+bank/26%26, 'A'+bank%26, i, i, i%9000, i%700, i%35, i%500, i%9000, i%700, i%9000)
	}
	return b.String()
}

func BenchmarkImport180k(b *testing.B) {
	for name, open := range map[string]func(testing.TB) *sqlx.DB{"sqlite": dbtest.SQLite, "postgres": dbtest.PostgreSQL} {
		b.Run(name, func(b *testing.B) {
			text := publicList(180_000)
			b.ReportMetric(float64(len(text))/1e6, "MB")
			for range b.N {
				a := newAdmin(b, open(b))
				start := time.Now()
				i := prepare(b, a, text, true)
				read := time.Now()
				if _, err := a.Preview(b.Context(), i, 10); err != nil {
					b.Fatal(err)
				}
				shown := time.Now()
				if _, err := a.Apply(b.Context(), audittest.By, i.ID, i.Digest); err != nil {
					b.Fatal(err)
				}
				applied := time.Now()
				var out countingWriter
				if err := lists.WriteBranches(b.Context(), &out, a); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(read.Sub(start).Seconds(), "s/read")
				b.ReportMetric(shown.Sub(read).Seconds(), "s/preview")
				b.ReportMetric(applied.Sub(shown).Seconds(), "s/apply")
				b.ReportMetric(time.Since(applied).Seconds(), "s/export")
				again := prepare(b, a, strings.ReplaceAll(text, "BRANCH 7", "OFFICE 7"), true)
				if again.Changed == 0 || again.Added+again.Removed != 0 {
					b.Fatal(counts(again))
				}
				start = time.Now()
				if _, err := a.Apply(b.Context(), audittest.By, again.ID, again.Digest); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(time.Since(start).Seconds(), "s/reapply")
			}
		})
	}
}

type countingWriter int

func (w *countingWriter) Write(b []byte) (int, error) {
	*w += countingWriter(len(b))
	return len(b), nil
}
