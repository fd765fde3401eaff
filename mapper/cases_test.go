package mapper_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

var officer = audit.Actor{Kind: audit.Staff, ID: "staff officer"}

func reportLast(t *testing.T, s *mapper.Service, id string) mapper.Result {
	t.Helper()
	changes, err := s.History(t.Context(), mapper.ID(id), 1)
	if err != nil || len(changes) == 0 {
		t.Fatalf("history: %v, %v", changes, err)
	}
	item := mappertest.Item("r", id, "")
	item.Change = mapper.String(changes[0].ID)
	result, err := s.Report(t.Context(), mappertest.Person(), item)
	if err != nil || result.Case == nil {
		t.Fatalf("report: %+v, %v", result, err)
	}
	return result
}

func caseOf(t *testing.T, s *mapper.Service, number string) mapper.CaseDetails {
	t.Helper()
	d, err := s.Case(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func codeOf(t *testing.T, s *mapper.Service, id string) mapper.Code {
	t.Helper()
	results, err := s.Resolve(t.Context(), mappertest.By("A"), []mapper.Item{mappertest.Details("q", id, "")})
	if err != nil {
		t.Fatal(err)
	}
	return results[0].Code
}

// TestStaffSettleCases: staff see what was reported, and what they decide happens to the link they saw.
func TestStaffSettleCases(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		s := mappertest.Service(t, db)
		settle := func(number string, outcome mapper.CaseOutcome, state string) error {
			return s.Settle(t.Context(), officer, number, outcome, " Spoke to the person. ", state)
		}
		item := mappertest.Item("r1", anID, anAccount)
		item.Consent = &mapper.Consent{Text: "I agree", Version: "1", Language: "en"}
		link(t, s, mappertest.Person(), item)
		number := reportLast(t, s, anID).Case.Number
		if n, err := s.OpenCases(t.Context()); err != nil || n != 1 {
			t.Errorf("%d open cases, %v", n, err)
		}
		d := caseOf(t, s, number)
		if !d.Open() || d.Active || d.Linked == nil || d.Linked.FA != anAccount || len(d.Changes) != 2 || d.Note != "" {
			t.Errorf("case %+v", d)
		}
		if got := d.Changes[1]; got.ID != d.Reported[0] || got.Consent == nil || got.Consent.Text != "I agree" {
			t.Errorf("the change reported: %+v", got)
		}

		for name, err := range map[string]error{
			"no note":      s.Settle(t.Context(), officer, number, mapper.PaymentsResumed, " ", d.State),
			"a long note":  s.Settle(t.Context(), officer, number, mapper.PaymentsResumed, strings.Repeat("x", 501), d.State),
			"no outcome":   settle(number, "", d.State),
			"own outcome":  settle(number, mapper.CaseClosed, d.State),
			"nobody":       s.Settle(t.Context(), audit.Actor{Kind: audit.Staff}, number, mapper.PaymentsResumed, "x", d.State),
			"not found":    settle("none", mapper.PaymentsResumed, d.State),
			"stale":        settle(number, mapper.PaymentsResumed, "none"),
			"before it":    settle(number, mapper.PaymentsResumed, "1-1"),
			"stale remove": settle(number, mapper.AccountRemoved, "none"),
		} {
			if err == nil {
				t.Errorf("%s: settled", name)
			}
		}
		link2, err := s.Update(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("r2", anID, another)})
		if err != nil || link2[0].Status != mapper.Succeeded {
			t.Fatal(err)
		}
		if err := settle(number, mapper.PaymentsResumed, d.State); !errors.Is(err, mapper.ErrStale) {
			t.Errorf("settled on another account than staff saw: %v", err)
		}
		d = caseOf(t, s, number)
		if err := settle(number, mapper.PaymentsResumed, d.State); err != nil {
			t.Fatal(err)
		}
		if err := settle(number, mapper.AccountRemoved, d.State); !errors.Is(err, mapper.ErrSettled) {
			t.Errorf("settled twice: %v", err)
		}
		d = caseOf(t, s, number)
		if d.Open() || d.Outcome != mapper.PaymentsResumed || d.Note != "Spoke to the person." || !d.Active || codeOf(t, s, anID) != mapper.IDActive {
			t.Errorf("settled: %+v", d)
		}
		if got := d.Changes[0]; got.Action != mapper.Restore || got.Partner != mapper.Staff || got.ByBeneficiary {
			t.Errorf("history %+v", got)
		}

		second := reportLast(t, s, anID).Case.Number
		if second == number || codeOf(t, s, anID) != mapper.IDInactive {
			t.Errorf("reported again: case %s", second)
		}
		if err := settle(second, mapper.AccountRemoved, caseOf(t, s, second).State); err != nil {
			t.Fatal(err)
		}
		d = caseOf(t, s, second)
		if got := d.Changes[0]; d.Outcome != mapper.AccountRemoved || d.Linked != nil || got.Action != mapper.Unlink || got.Partner != mapper.Staff || got.FA != another {
			t.Errorf("removed: %+v", d)
		}
		link(t, s, mappertest.Person(), mappertest.Item("r3", anID, anAccount))
		if got := codeOf(t, s, anID); got != mapper.IDActive {
			t.Errorf("linked after the case was settled: %s", got)
		}

		if _, err := s.Unlink(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("r", anID, "")}); err != nil {
			t.Fatal(err)
		}
		third := reportLast(t, s, anID).Case.Number
		if err := settle(third, mapper.PaymentsResumed, caseOf(t, s, third).State); err != nil {
			t.Fatal(err)
		}
		if d = caseOf(t, s, third); d.Outcome != mapper.CaseClosed || d.Changes[0].Action != mapper.Unlink {
			t.Errorf("settled while nothing is linked: %+v", d)
		}
		open, err1 := s.Cases(t.Context(), true, 10, 0)
		settled, err2 := s.Cases(t.Context(), false, 10, 0)
		rest, err3 := s.Cases(t.Context(), false, 10, 1)
		if err := errors.Join(err1, err2, err3); err != nil || len(open) != 0 || len(settled) != 3 || len(rest) != 2 {
			t.Errorf("cases %v, %v, %v: %v", open, settled, rest, err)
		}
		dump := dumpTables(t, db)
		if strings.Contains(dump, "Spoke to") || !strings.Contains(dump, number) {
			t.Error("the note is in the clear, or the dump lacks the cases")
		}
	})
}

// TestAnOldChangeIsShownWithItsCase: however many there were since.
func TestAnOldChangeIsShownWithItsCase(t *testing.T) {
	s := mappertest.Service(t, dbtest.SQLite(t))
	link(t, s, mappertest.By("OLD-BANK"), mappertest.Item("r", anID, anAccount))
	changes, err := s.History(t.Context(), anID, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range 60 {
		if _, err := s.Update(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("r", anID, another)}); err != nil {
			t.Fatal(err)
		}
	}
	item := mappertest.Item("r", anID, "")
	item.Change = mapper.String(changes[0].ID)
	result, err := s.Report(t.Context(), mappertest.Person(), item)
	if err != nil {
		t.Fatal(err)
	}
	d := caseOf(t, s, result.Case.Number)
	last := d.Changes[len(d.Changes)-1]
	if last.ID != changes[0].ID || last.Partner != "OLD-BANK" || d.Changes[0].Action != mapper.Freeze || len(d.Changes) != 50 {
		t.Errorf("%d changes, the last is %+v", len(d.Changes), last)
	}
}

// TestReportsAndLinksCannotMissEachOther: whatever happens to a link in the moment in which it is reported, no active link
// is left with an open case.
func TestReportsAndLinksCannotMissEachOther(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		s := mappertest.Service(t, db)
		const people = 20
		ids := make([]string, people)
		for n := range ids {
			ids[n] = fmt.Sprintf("token:race%d@nationalid", n)
			link(t, s, mappertest.By("BANK"), mappertest.Item("r", ids[n], anAccount))
			if n%2 == 0 {
				if _, err := s.Unlink(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("r", ids[n], "")}); err != nil {
					t.Fatal(err)
				}
			}
		}
		numbers := make([]string, people)
		for n, id := range ids {
			var wait sync.WaitGroup
			begin := make(chan struct{})
			for i, do := range []func(context.Context, mapper.Actor, []mapper.Item) ([]mapper.Result, error){s.Update, s.Unlink, s.Link, s.Link} {
				wait.Go(func() {
					<-begin
					item := mappertest.Item("r", id, another)
					if i == 1 {
						item.FA = mapper.Text{}
					}
					if _, err := do(t.Context(), mappertest.By("BANK"), []mapper.Item{item, mappertest.Item("r2", "token:other@nationalid", anAccount)}); err != nil {
						t.Error(err)
					}
				})
			}
			wait.Go(func() {
				close(begin)
				numbers[n] = reportLast(t, s, id).Case.Number
			})
			wait.Wait()
		}
		var missed int
		const query = `SELECT COUNT(*) FROM links l JOIN link_cases c ON c.id_hash = l.id_hash AND c.settled_at IS NULL WHERE l.status = 'active'`
		if err := db.Get(&missed, query); err != nil || missed != 0 {
			t.Errorf("%d links are active with an open case, %v", missed, err)
		}
		var left int
		if err := db.Get(&left, `SELECT COUNT(*) FROM links WHERE version = 0`); err != nil || left != 0 {
			t.Errorf("%d claims were left, %v", left, err)
		}

		// Two officers settle the same cases, while the accounts are removed and linked.
		for n, id := range ids {
			state := caseOf(t, s, numbers[n]).State
			settled := make([]error, 2)
			var wait sync.WaitGroup
			for i := range settled {
				wait.Go(func() {
					settled[i] = s.Settle(t.Context(), officer, numbers[n], mapper.PaymentsResumed, "x", state)
				})
			}
			wait.Go(func() {
				if _, err := s.Unlink(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("r", id, "")}); err != nil {
					t.Error(err)
				}
				if _, err := s.Link(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("r", id, another)}); err != nil {
					t.Error(err)
				}
			})
			wait.Wait()
			done := 0
			for _, err := range settled {
				switch {
				case err == nil:
					done++
				case !errors.Is(err, mapper.ErrStale) && !errors.Is(err, mapper.ErrSettled):
					t.Error(err)
				}
			}
			d := caseOf(t, s, numbers[n])
			if done > 1 || (done == 1) == d.Open() || d.Open() && d.Active {
				t.Errorf("settled %d times: open %v, active %v", done, d.Open(), d.Active)
			}
		}
		if err := db.Get(&missed, query); err != nil || missed != 0 {
			t.Errorf("%d links are active with an open case, %v", missed, err)
		}
	})
}

// TestALinkUnderWayIsWaitedFor: a report waits for a link of the same ID that has not been committed, and freezes it.
func TestALinkUnderWayIsWaitedFor(t *testing.T) {
	if !dbtest.HasPostgreSQL(t) {
		return
	}
	db := dbtest.PostgreSQL(t)
	s := mappertest.Service(t, db)
	link(t, s, mappertest.By("BANK"), mappertest.Item("r", anID, anAccount))
	changes, err := s.History(t.Context(), anID, 1)
	if err != nil {
		t.Fatal(err)
	}
	// The link goes away and comes back in a transaction that is still open.
	tx := db.MustBegin()
	defer tx.Rollback()
	tx.MustExec(`CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM links`)
	if _, err := s.Unlink(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("r", anID, "")}); err != nil {
		t.Fatal(err)
	}
	tx.MustExec(`INSERT INTO links SELECT * FROM kept`)
	done := make(chan mapper.Result)
	go func() {
		item := mappertest.Item("r", anID, "")
		item.Change = mapper.String(changes[0].ID)
		result, err := s.Report(t.Context(), mappertest.Person(), item)
		if err != nil {
			t.Error(err)
		}
		done <- result
	}()
	deadline := time.Now().Add(10 * time.Second)
	for waiting := 0; waiting == 0 && time.Now().Before(deadline); {
		if err := db.Get(&waiting, `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if result := <-done; result.ChangeID == "" {
		t.Errorf("the link was not frozen: %+v", result)
	}
	if got := codeOf(t, s, anID); got != mapper.IDInactive {
		t.Errorf("the link is %s", got)
	}
}

// TestImportsLeaveWhatIsFrozen: a list of the operator brings no stopped payment back.
func TestImportsLeaveWhatIsFrozen(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		s := mappertest.Service(t, db)
		const second = "token:777002@nationalid"
		link(t, s, mappertest.By("BANK"), mappertest.Item("r1", anID, anAccount), mappertest.Item("r2", second, anAccount))
		reportLast(t, s, anID)
		reportLast(t, s, second)
		if _, err := s.Unlink(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("r", anID, "")}); err != nil {
			t.Fatal(err)
		}
		i := mapper.Import{ID: strings.Repeat("a", 64), ChunkSize: 10, Replace: true}
		if _, _, err := s.BeginImport(t.Context(), &i); err != nil {
			t.Fatal(err)
		}
		const third = "token:777003@nationalid"
		items := []mapper.Item{mappertest.Item("1", anID, another), mappertest.Item("2", second, another), mappertest.Item("3", third, another)}
		if _, err := s.ImportChunk(t.Context(), i, 0, audit.Actor{Kind: audit.Command, ID: "test"}, items, 0); err != nil {
			t.Fatal(err)
		}
		got := []mapper.Code{codeOf(t, s, anID), codeOf(t, s, second), codeOf(t, s, third)}
		if diff := cmp.Diff([]mapper.Code{mapper.IDInactive, mapper.IDInactive, mapper.IDActive}, got); diff != "" {
			t.Errorf("after the import (-want +got):\n%s", diff)
		}
	})
}

// TestCasesAreAudited: who reported and who settled, and nothing of the person.
func TestCasesAreAudited(t *testing.T) {
	db := dbtest.SQLite(t)
	l, s := audittest.New(t, db), mappertest.Service(t, db)
	link(t, s, mappertest.By("BANK"), mappertest.Item("r", anID, anAccount))
	reported := reportLast(t, s, anID)
	reportLast(t, s, anID)
	number := reported.Case.Number
	if err := s.Settle(t.Context(), officer, number, mapper.AccountRemoved, "secret note", caseOf(t, s, number).State); err != nil {
		t.Fatal(err)
	}
	events, err := l.List(t.Context(), audit.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		if e.Action == audit.Freeze && e.Actor.Kind != audit.Beneficiary || e.Action == audit.Unlink && e.Actor.ID != officer.ID {
			t.Errorf("%s is by %s", e.Action, e.Actor)
		}
		if e.Target == number {
			got = append(got, fmt.Sprint(e.Action, " ", e.Actor, " ", e.Detail["outcome"], e.Detail["frozen"]))
		}
		if text := fmt.Sprint(e); strings.Contains(text, "777001") || strings.Contains(text, "99887766") || strings.Contains(text, "secret") {
			t.Errorf("the event says %s", text)
		}
	}
	want := []string{"case.settle staff staff officer removed", "case.report beneficiary false", "case.open beneficiary true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestAReportStopsWhatWaits: a change that is held when the person reports it is not made, whatever staff decide. What the
// person asks for afterwards waits for staff and for nobody else.
func TestAReportStopsWhatWaits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := new(clock)
		s := holding(t, db, c)
		link(t, s, mappertest.By("BANK"), mappertest.Item("r", anID, anAccount))
		update(t, s, mappertest.Person(), anID, another)
		number := reportLast(t, s, anID).Case.Number
		changes, err := s.History(t.Context(), anID, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []mapper.Action
		for _, change := range changes {
			got = append(got, change.Action)
		}
		if diff := cmp.Diff([]mapper.Action{mapper.Freeze, mapper.Cancel, mapper.Hold, mapper.Link}, got); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
		c.later(hold + time.Second)
		if err := s.ApplyDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := caseOf(t, s, number); d.Active || d.Linked.FA != anAccount {
			t.Errorf("after the hold: %+v", d.Linked)
		}
		const third = "account:5555@002.BETA.bank_acc"
		if r := update(t, s, mappertest.Person(), anID, third); !r.EffectiveAt.IsZero() {
			t.Errorf("a change of a stopped account waits until %v", r.EffectiveAt)
		}
		if r, err := s.Resolve(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Details("q", anID, "")}); err != nil || r[0].FA != third || !r[0].EffectiveAt.IsZero() {
			t.Errorf("the portal is told %+v, %v", r, err)
		}
		if err := s.Settle(t.Context(), officer, number, mapper.PaymentsResumed, "x", caseOf(t, s, number).State); err != nil {
			t.Fatal(err)
		}
		if got := codeOf(t, s, anID); got != mapper.IDActive {
			t.Errorf("settled: %s", got)
		}
	})
}

// TestALinkAfterStaffRemovedTheAccountWaits: whoever got into the session may still be there when staff have removed the
// account that was reported. What is linked then waits like a link that follows the person's own removal.
func TestALinkAfterStaffRemovedTheAccountWaits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := new(clock)
		s := holding(t, db, c)
		link(t, s, mappertest.By("BANK"), mappertest.Item("r", anID, anAccount))
		number := reportLast(t, s, anID).Case.Number
		if err := s.Settle(t.Context(), officer, number, mapper.AccountRemoved, "x", caseOf(t, s, number).State); err != nil {
			t.Fatal(err)
		}
		r := link(t, s, mappertest.Person(), mappertest.Item("r", anID, another))[0]
		if r.EffectiveAt.IsZero() {
			t.Error("the link counts at once")
		}
		if got := codeOf(t, s, anID); got != mapper.IDNotFound {
			t.Errorf("before the hold ends: %s", got)
		}
		c.later(hold + time.Second)
		if err := s.ApplyDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := codeOf(t, s, anID); got != mapper.IDActive {
			t.Errorf("after it: %s", got)
		}
	})
}

// TestStaffSeeWhatWaits: a link that begins to wait after staff looked at a case is another state of it, and so is one that
// ends.
func TestStaffSeeWhatWaits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := new(clock)
		s := holding(t, db, c)
		link(t, s, mappertest.By("BANK"), mappertest.Item("r", anID, anAccount))
		number := reportLast(t, s, anID).Case.Number
		if r, err := s.Unlink(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Item("u", anID, "")}); err != nil || r[0].Status != mapper.Succeeded {
			t.Fatal(r, err)
		}
		settle := func(state string) error {
			return s.Settle(t.Context(), officer, number, mapper.PaymentsResumed, "x", state)
		}
		before := caseOf(t, s, number).State
		link(t, s, mappertest.Person(), mappertest.Item("r", anID, another))
		if err := settle(before); !errors.Is(err, mapper.ErrStale) {
			t.Errorf("closed without a look at what waits: %v", err)
		}
		if err := settle(caseOf(t, s, number).State); err != nil {
			t.Error(err)
		}
	})
}
