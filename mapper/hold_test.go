package mapper_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations"
	"spar/migrations/dbtest"
)

const hold = 48 * time.Hour

// clock is a time that tests move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time        { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) later(d time.Duration) { c.ahead.Add(int64(d)) }

func holding(t testing.TB, db *sqlx.DB, c *clock) *mapper.Service {
	t.Helper()
	return mappertest.Service(t, db, func(config *mapper.Config) { config.Hold, config.Now = hold, c.now })
}

// replicas are services on the same database with the same keys, as several processes have them.
func replicas(t *testing.T, db *sqlx.DB, c *clock, holds ...time.Duration) (list []*mapper.Service) {
	t.Helper()
	var config mapper.Config
	mappertest.Service(t, db, func(made *mapper.Config) { config = *made })
	for _, hold := range holds {
		config.Hold, config.Now = hold, c.now
		s, err := mapper.NewService(config)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

func TestServiceHoldsChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		mappertest.RunHolds(t, func(t *testing.T) mappertest.Held {
			fresh := dbtest.SQLite
			if migrations.Postgres(db) {
				fresh = func(tb testing.TB) *sqlx.DB { return dbtest.PostgreSQL(tb) }
			}
			c := new(clock)
			s := holding(t, fresh(t), c)
			return mappertest.Held{HoldingPortal: s, Hold: hold, Now: c.now, Later: c.later, ApplyDue: s.ApplyDue}
		})
	})
}

func update(t *testing.T, m mapper.Mapper, by mapper.Actor, id, fa string) mapper.Result {
	t.Helper()
	results, err := m.Update(t.Context(), by, []mapper.Item{mappertest.Item("r", id, fa)})
	if err != nil || results[0].Status != mapper.Succeeded {
		t.Fatalf("update: %v %+v", err, results)
	}
	return results[0]
}

func personID(n int) string { return fmt.Sprintf("token:%d@nationalid", 500000+n) }

// actions counts what the history says was done of the held changes.
func actions(t *testing.T, db *sqlx.DB) map[string]int {
	t.Helper()
	var rows []struct {
		Action string `db:"action"`
		N      int    `db:"n"`
	}
	if err := db.Select(&rows, `SELECT action, COUNT(*) AS n FROM link_history WHERE due_at > 0 GROUP BY action`); err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, r := range rows {
		counts[r.Action] = r.N
	}
	return counts
}

// TestDueChangesAreMadeOnce: several processes make the same due changes, in several batches, while people stop theirs
// and partners change other links. Each held change is made or stopped, once.
func TestDueChangesAreMadeOnce(t *testing.T) {
	const people = 250
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := new(clock)
		services := replicas(t, db, c, hold, hold, hold)
		one, two := services[0], services[1]
		var items []mapper.Item
		for n := range people {
			items = append(items, mappertest.Item(fmt.Sprint(n), personID(n), anAccount))
		}
		link(t, one, mappertest.By("BANK"), items...)
		for i := range items {
			items[i].FA = mapper.String(another)
		}
		asked, err := one.Update(t.Context(), mappertest.Person(), items)
		if err != nil {
			t.Fatal(err)
		}
		c.later(hold + time.Second)
		var stopped, updated atomic.Int64
		var wait sync.WaitGroup
		for _, s := range services {
			wait.Go(func() {
				if err := s.ApplyDue(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Go(func() {
			for n := 0; n < people; n += 10 {
				_, err := two.CancelHeld(t.Context(), mappertest.Person(), mapper.ID(personID(n)), asked[n].ChangeID)
				switch {
				case err == nil:
					stopped.Add(1)
				case !errors.Is(err, mapper.ErrNotHeld):
					t.Error(err)
				}
			}
		})
		wait.Go(func() {
			for n := people - 1; n > people-30; n -= 3 {
				results, err := one.Update(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("r", personID(n), anAccount)})
				if err != nil || results[0].Status != mapper.Succeeded {
					t.Errorf("update: %v %+v", err, results)
				}
				updated.Add(1)
			}
		})
		wait.Wait()
		if err := one.ApplyDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := actions(t, db)
		if got["hold"] != people || got["update"]+got["cancel"] != people || int64(got["cancel"]) != stopped.Load() {
			t.Errorf("%v, and %d were stopped; want %d made or stopped", got, stopped.Load(), people)
		}
		var moved, left int
		if err := db.Get(&moved, db.Rebind(`SELECT COUNT(*) FROM links WHERE kind = ?`), mapper.MobileWallet); err != nil {
			t.Fatal(err)
		}
		if err := db.Get(&left, `SELECT COUNT(*) FROM held_changes`); err != nil {
			t.Fatal(err)
		}
		if want := got["update"] - int(updated.Load()); moved != want || left != 0 {
			t.Errorf("%d accounts were moved, want %d; %d are still held", moved, want, left)
		}
	})
}

// TestACrashLosesNoHeldChange: what cannot be written as a whole is not written at all, and made the next time.
func TestACrashLosesNoHeldChange(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := new(clock)
		s := holding(t, db, c)
		link(t, s, mappertest.By("BANK"), mappertest.Item("r", anID, anAccount))
		update(t, s, mappertest.Person(), anID, another)
		c.later(hold + time.Second)
		db.MustExec(`ALTER TABLE link_history RENAME TO history_away`)
		if s.ApplyDue(t.Context()) == nil {
			t.Error("it was made without a history")
		}
		db.MustExec(`ALTER TABLE history_away RENAME TO link_history`)
		if r, err := s.Resolve(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Details("q", anID, "")}); err != nil || r[0].FA != anAccount || r[0].Held == nil {
			t.Errorf("after the crash: %v %+v", err, r)
		}
		if err := s.ApplyDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Resolve(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Details("q", anID, "")}); err != nil || r[0].FA != another || r[0].Held != nil {
			t.Errorf("in the end: %v %+v", err, r)
		}
		if got := actions(t, db); got["update"] != 1 {
			t.Errorf("%v, want one update", got)
		}
	})
}

// TestALockedLinkIsLeftForTheNextTime: making due changes never waits for a transaction that may wait for it.
func TestALockedLinkIsLeftForTheNextTime(t *testing.T) {
	if !dbtest.HasPostgreSQL(t) {
		return
	}
	db := dbtest.PostgreSQL(t)
	c := new(clock)
	s := holding(t, db, c)
	link(t, s, mappertest.By("BANK"), mappertest.Item("r1", personID(1), anAccount), mappertest.Item("r2", personID(2), another))
	update(t, s, mappertest.Person(), personID(1), "account:5@5.BETA.bank_acc")
	update(t, s, mappertest.Person(), personID(2), "account:5@5.BETA.bank_acc")
	c.later(hold + time.Second)
	tx := db.MustBegin()
	defer tx.Rollback()
	tx.MustExec(`SELECT 1 FROM links WHERE dfsp_code = 'ALPHA' FOR UPDATE`)
	if err := s.ApplyDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := actions(t, db); got["update"] != 1 || got["cancel"] != 0 {
		t.Errorf("%v while one link is locked, want one update", got)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.ApplyDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := actions(t, db); got["update"] != 2 || got["cancel"] != 0 {
		t.Errorf("%v in the end, want two updates", got)
	}
}

// TestAHeldChangeCannotBeBroughtForward: whoever can write to the database, but has no key, cannot end a hold, nor put the
// waiting account into the link's row, nor have it made on another version of the link.
func TestAHeldChangeCannotBeBroughtForward(t *testing.T) {
	for name, test := range map[string]struct {
		spoil string
		fails bool
	}{
		"an earlier time":     {`UPDATE held_changes SET due_at = 1`, true},
		"another's change":    {`UPDATE held_changes SET due_at = 1, sealed = (SELECT sealed FROM link_history WHERE action = 'link')`, true},
		"into the link":       {`UPDATE links SET sealed = (SELECT sealed FROM held_changes)`, true},
		"from the history":    {`UPDATE links SET sealed = (SELECT sealed FROM link_history WHERE action = 'hold')`, true},
		"another version":     {`UPDATE held_changes SET version = version + 1`, false},
		"of a link that went": {`DELETE FROM links`, false},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
				c := new(clock)
				s := holding(t, db, c)
				link(t, s, mappertest.By("BANK"), mappertest.Item("r", anID, anAccount))
				update(t, s, mappertest.Person(), anID, another)
				db.MustExec(test.spoil)
				if !test.fails {
					c.later(hold + time.Second)
				}
				applied := s.ApplyDue(t.Context())
				results, err := s.Resolve(t.Context(), mappertest.By("A"), []mapper.Item{mappertest.Details("q", anID, "")})
				if (applied != nil || err != nil) != test.fails {
					t.Errorf("applied: %v, resolved: %v", applied, err)
				}
				if err == nil && results[0].FA == another {
					t.Errorf("resolved %+v", results[0])
				}
				if got := actions(t, db); !test.fails && got["cancel"] != 1 || got["update"]+got["link"] != 0 {
					t.Errorf("history: %v", got)
				}
			})
		})
	}
}

// TestABrokenHeldChangeKeepsNoOtherWaiting: one that does not open is left, and told.
func TestABrokenHeldChangeKeepsNoOtherWaiting(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := new(clock)
		s := holding(t, db, c)
		link(t, s, mappertest.By("BANK"), mappertest.Item("r1", personID(1), anAccount), mappertest.Item("r2", personID(2), anAccount))
		update(t, s, mappertest.Person(), personID(1), another)
		db.MustExec(`UPDATE held_changes SET sealed = change_id`)
		update(t, s, mappertest.Person(), personID(2), another)
		c.later(hold + time.Second)
		if s.ApplyDue(t.Context()) == nil {
			t.Error("nothing is told of the change that does not open")
		}
		if got := actions(t, db); got["update"] != 1 || got["cancel"] != 0 {
			t.Errorf("%v, want one update", got)
		}
	})
}

func TestHeldChangesAreAuditedAndSealed(t *testing.T) {
	const id, fa = "token:marker4711@nationalid", "account:99887766@001.MARKER.bank_acc"
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := new(clock)
		l, s := audittest.New(t, db), holding(t, db, c)
		link(t, s, mappertest.By("BANK"), mappertest.Item("r", id, anAccount), mappertest.Item("r2", "token:marker4712@nationalid", anAccount))
		update(t, s, mappertest.Person(), id, fa)
		asked := update(t, s, mappertest.Person(), id, fa)
		if dump := dumpTables(t, db); strings.Contains(dump, "marker4711") || strings.Contains(dump, "99887766") {
			t.Error("the person or the account is in the clear")
		}
		if _, err := s.CancelHeld(t.Context(), mappertest.Person(), id, asked.ChangeID); err != nil {
			t.Fatal(err)
		}
		update(t, s, mappertest.Person(), id, fa)
		c.later(hold + time.Second)
		update(t, s, mappertest.By("BANK"), "token:marker4712@nationalid", fa)
		if err := s.ApplyDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range batchEvents(t, l) {
			got = append(got, fmt.Sprintf("%s: %s changed %s held %s cancelled %s", e.Actor, e.Action, e.Detail["changed"], e.Detail["held"], e.Detail["cancelled"]))
		}
		want := []string{
			"partner BANK: link changed 2 held  cancelled ",
			"beneficiary: update changed 0 held 1 cancelled ",
			"beneficiary: update changed 0 held 1 cancelled 1",
			"beneficiary: cancel changed 0 held  cancelled 1",
			"beneficiary: update changed 0 held 1 cancelled ",
			"partner BANK: update changed 1 held  cancelled ",
			"system: apply changed 1 held  cancelled ",
		}
		if !slices.Equal(got, want) {
			t.Errorf("events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		noMarkers(t, db, "marker4711", "marker4712", "99887766")
	})
}

// TestAnImportEndsWhatIsHeld: the operator's list is newer.
func TestAnImportEndsWhatIsHeld(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := new(clock)
		s := holding(t, db, c)
		link(t, s, mappertest.By("BANK"), mappertest.Item("r1", personID(1), anAccount), mappertest.Item("r2", personID(2), anAccount), mappertest.Item("r3", personID(3), anAccount))
		for n := 1; n <= 3; n++ {
			update(t, s, mappertest.Person(), personID(n), another)
		}
		job := mapper.Import{ID: "list", ChunkSize: 10, Replace: true}
		if _, _, err := s.BeginImport(t.Context(), &job); err != nil {
			t.Fatal(err)
		}
		const listed = "account:777@001.ALPHA.bank_acc"
		if _, err := s.ImportChunk(t.Context(), job, 0, operator, []mapper.Item{importItem(personID(1), listed), importItem(personID(2), anAccount), importItem(personID(4), listed)}, 0); err != nil {
			t.Fatal(err)
		}
		c.later(hold + time.Second)
		if err := s.ApplyDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for n := 1; n <= 4; n++ {
			changes, err := s.History(t.Context(), mapper.ID(personID(n)), 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range changes {
				got = append(got, fmt.Sprint(n, " ", c.Partner, " ", c.Action))
			}
		}
		want := []string{
			"1 (operator) update", "1 (operator) cancel", "1 SPAR-SELF-SERVICE hold", "1 BANK link",
			"2 SPAR-SELF-SERVICE update", "2 SPAR-SELF-SERVICE hold", "2 BANK link", // the list had the account that was linked
			"3 SPAR-SELF-SERVICE update", "3 SPAR-SELF-SERVICE hold", "3 BANK link",
			"4 (operator) link",
		}
		if !slices.Equal(got, want) {
			t.Errorf("history %q, want %q", got, want)
		}
	})
}

// notices keeps what people are told.
type notices struct{ told []string }

func (n *notices) Queue(_ context.Context, _ *sqlx.Tx, list []mapper.Notice) error {
	for _, one := range list {
		text := fmt.Sprint(one.Action, " by person ", one.ByBeneficiary)
		for name, party := range map[string]*mapper.Party{" old ": one.Old, " new ": one.New} {
			if party != nil {
				text += name + party.Account.Number
			}
		}
		if !one.EffectiveAt.IsZero() {
			text += " waits " + one.EffectiveAt.Sub(one.At).Round(time.Hour).String()
		}
		parts := strings.Split(text, " ")
		slices.Sort(parts[4:])
		n.told = append(n.told, strings.Join(parts, " "))
	}
	return nil
}

// TestPeopleAreToldOfWhatWaits: when it is asked for, when it is stopped, and when it is made.
func TestPeopleAreToldOfWhatWaits(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c, told := new(clock), new(notices)
		s := mappertest.Service(t, db, func(config *mapper.Config) { config.Hold, config.Now, config.Notifier = hold, c.now, told })
		link(t, s, mappertest.By("BANK"), mappertest.Item("r1", personID(1), anAccount))
		asked := update(t, s, mappertest.Person(), personID(1), another)
		if _, err := s.CancelHeld(t.Context(), mappertest.Person(), mapper.ID(personID(1)), asked.ChangeID); err != nil {
			t.Fatal(err)
		}
		update(t, s, mappertest.Person(), personID(1), another)
		c.later(hold)
		if err := s.ApplyDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"link by person false 99887766 new",
			"hold by person true +15550100199 48h0m0s 99887766 new old waits",
			"cancel by person true +15550100199 48h0m0s 99887766 new old waits",
			"hold by person true +15550100199 48h0m0s 99887766 new old waits",
			"update by person true +15550100199 0s 99887766 new old waits",
		}
		if !slices.Equal(told.told, want) {
			t.Errorf("told\n%s\nwant\n%s", strings.Join(told.told, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestHoldsAreOffUnlessConfigured: without a hold the person's change counts at once, and what was held before still ends.
func TestHoldsAreOffUnlessConfigured(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		c := new(clock)
		services := replicas(t, db, c, hold, 0)
		s, off := services[0], services[1]
		link(t, s, mappertest.By("BANK"), mappertest.Item("r", personID(1), anAccount), mappertest.Item("r2", personID(2), anAccount))
		update(t, s, mappertest.Person(), personID(1), another)
		if r := update(t, off, mappertest.Person(), personID(2), another); !r.EffectiveAt.IsZero() {
			t.Errorf("held: %+v", r)
		}
		c.later(hold + time.Second)
		if err := off.ApplyDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{personID(1), personID(2)} {
			r, err := off.Resolve(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Details("q", id, "")})
			if err != nil || r[0].FA != another || !r[0].EffectiveAt.IsZero() {
				t.Errorf("%v %+v", err, r)
			}
		}
	})
}
