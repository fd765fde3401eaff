package mapper_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

const (
	anID      = "token:777001@nationalid"
	anAccount = "account:99887766@001.ALPHA.bank_acc"
	another   = "mobile:+15550100199@GAMMA.mobile_wallet"
)

func link(t *testing.T, m mapper.Mapper, by mapper.Actor, items ...mapper.Item) []mapper.Result {
	t.Helper()
	results, err := m.Link(t.Context(), by, items)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestHistoryTellsEveryChange(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		clock := time.Date(2026, 3, 6, 9, 0, 0, 0, time.UTC)
		service := mappertest.Service(t, db, func(c *mapper.Config) { c.Now = func() time.Time { clock = clock.Add(time.Second); return clock } })
		person := mappertest.By("SPAR-SELF-SERVICE")
		person.ByBeneficiary = true
		made := link(t, service, mappertest.By("BANK"), mappertest.Item("r1", anID, anAccount))
		updated, err := service.Update(t.Context(), person, []mapper.Item{mappertest.Item("r2", anID, another)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := service.Unlink(t.Context(), person.WithMessage("m3"), []mapper.Item{mappertest.Item("r3", anID, "")}); err != nil {
			t.Fatal(err)
		}
		changes, err := service.History(t.Context(), anID, 10)
		if err != nil || len(changes) != 3 {
			t.Fatalf("History: %d changes, %v; want 3", len(changes), err)
		}
		got := fmt.Sprintln(changes[0].Action, changes[0].FA == another, changes[0].ByBeneficiary,
			changes[1].Action, changes[1].FA == another, changes[1].ID == updated[0].ChangeID, changes[1].Provider.Code,
			changes[2].Action, changes[2].FA == anAccount, changes[2].Partner, changes[2].ByBeneficiary, changes[2].ID == made[0].ChangeID)
		if want := "unlink true true update true true GAMMA link true BANK false true\n"; got != want {
			t.Errorf("History = %s, want %s", got, want)
		}
		if !changes[2].At.Before(changes[1].At) {
			t.Errorf("times %v and %v", changes[2].At, changes[1].At)
		}
		if other, err := service.History(t.Context(), "token:1@nationalid", 10); err != nil || len(other) != 0 {
			t.Errorf("History of another ID = %v, %v", other, err)
		}
	})
}

// TestNothingPersonalInTheClear searches every column of every table for what was linked.
func TestNothingPersonalInTheClear(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		item := mappertest.Item("r1", anID, anAccount)
		item.Name, item.Phone = mapper.String("Zenobia Quartermain"), mapper.String("+15550177777")
		item.AdditionalInfo = []mapper.Attribute{{Name: "note", Value: []byte(`"marker-info"`)}}
		item.Email = mapper.String("zenobia@mail.example.org")
		item.Consent = &mapper.Consent{Text: "I agree", Version: "1", Language: "en"}
		link(t, service, mappertest.Person(), item)
		if _, err := service.Update(t.Context(), mappertest.Person(), []mapper.Item{item}); err != nil {
			t.Fatal(err)
		}
		resolveDetails(t, service, "BANK", anID)
		expand(t, service)
		resolveDetails(t, service, "BANK", anID)
		dump := dumpTables(t, db)
		if !strings.Contains(dump, "ALPHA") || !strings.Contains(dump, "I agree") {
			t.Fatal("the dump does not even contain the provider's code, or the consent")
		}
		for _, secret := range []string{"777001", "99887766", "Zenobia", "15550177777", "marker-info", "zenobia@mail", anID, anAccount} {
			for form, text := range map[string]string{"plain": secret, "hex": hex.EncodeToString([]byte(secret)), "base64": base64.RawStdEncoding.EncodeToString([]byte(secret))} {
				if strings.Contains(strings.ToLower(dump), strings.ToLower(text)) {
					t.Errorf("%s is in the database as %s", secret, form)
				}
			}
		}
	})
}

func dumpTables(t *testing.T, db *sqlx.DB) string {
	t.Helper()
	var dump strings.Builder
	for _, table := range []string{"links", "link_history", "held_changes", "seen_messages", "lookups", "key_checks", "consent_texts", "link_cases", "link_case_reports"} {
		rows, err := db.Queryx("SELECT * FROM " + table)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			row, err := rows.SliceScan()
			if err != nil {
				t.Fatal(err)
			}
			for _, value := range row {
				if b, ok := value.([]byte); ok {
					fmt.Fprintf(&dump, "%s %x ", b, b)
				} else {
					fmt.Fprintf(&dump, "%v ", value)
				}
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
	return dump.String()
}

func TestSealedRecordsOpenOnlyInTheirRow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		link(t, service, mappertest.By("A"), mappertest.Item("r1", anID, anAccount), mappertest.Item("r2", "token:2@nationalid", another))
		if _, err := db.Exec(`UPDATE links SET sealed = (SELECT sealed FROM links WHERE dfsp_code = 'GAMMA') WHERE dfsp_code = 'ALPHA'`); err != nil {
			t.Fatal(err)
		}
		if results, err := service.Resolve(t.Context(), mappertest.By("A"), []mapper.Item{mappertest.Details("q", anID, "")}); err == nil {
			t.Errorf("a record moved to another row was opened: %+v", results)
		}
	})
}

// TestAnOldRecordOpensInNoLaterVersion: whoever can write to the database cannot put an earlier account back into its row.
func TestAnOldRecordOpensInNoLaterVersion(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		link(t, service, mappertest.By("A"), mappertest.Item("r1", anID, anAccount))
		if _, err := service.Update(t.Context(), mappertest.By("A"), []mapper.Item{mappertest.Item("r2", anID, another)}); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`UPDATE links SET sealed = (SELECT sealed FROM link_history WHERE action = 'link')`); err != nil {
			t.Fatal(err)
		}
		if results, err := service.Resolve(t.Context(), mappertest.By("A"), []mapper.Item{mappertest.Details("q", anID, "")}); err == nil {
			t.Errorf("the record before the update was opened: %+v", results)
		}
	})
}

// TestAnActiveLinkSpeaksForASharedAccount, also where an inactive one is older.
func TestAnActiveLinkSpeaksForASharedAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		const younger = "token:777002@nationalid"
		link(t, service, mappertest.By("A"), mappertest.Item("r1", anID, anAccount))
		if _, err := db.Exec(`UPDATE links SET status = 'inactive', linked_at = linked_at - 1000`); err != nil {
			t.Fatal(err)
		}
		link(t, service, mappertest.By("A"), mappertest.Item("r1", younger, anAccount))
		results, err := service.Resolve(t.Context(), mappertest.By("A"), []mapper.Item{mappertest.Details("q", "", anAccount)})
		if err != nil || results[0].Code != mapper.FAActive || results[0].ID != younger {
			t.Errorf("Resolve = %+v, %v; want the active link", results, err)
		}
	})
}

func TestAnInactiveLinkIsSaidToBeSo(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		link(t, service, mappertest.By("A"), mappertest.Item("r1", anID, anAccount))
		if _, err := db.Exec(`UPDATE links SET status = 'inactive'`); err != nil {
			t.Fatal(err)
		}
		results, err := service.Resolve(t.Context(), mappertest.By("A"), []mapper.Item{
			mappertest.Item("q1", anID, ""), mappertest.Item("q2", "", anAccount), mappertest.Item("q3", anID, anAccount),
		})
		if err != nil {
			t.Fatal(err)
		}
		got := []mapper.Code{results[0].Code, results[1].Code, results[2].Code}
		if want := []mapper.Code{mapper.IDInactive, mapper.FAInactive, mapper.IDInactive}; !slices.Equal(got, want) {
			t.Errorf("codes %v, want %v", got, want)
		}
	})
}

func TestAFailedBatchLeavesNothingAndMayBeSentAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		if _, err := db.Exec(`ALTER TABLE link_history RENAME TO hidden`); err != nil {
			t.Fatal(err)
		}
		by := mappertest.By("A")
		if results, err := service.Link(t.Context(), by, []mapper.Item{mappertest.Item("r1", anID, anAccount)}); err == nil {
			t.Fatalf("link without a history: %+v", results)
		}
		var links int
		if err := db.Get(&links, `SELECT COUNT(*) FROM links`); err != nil || links != 0 {
			t.Errorf("%d links are left, %v", links, err)
		}
		if _, err := db.Exec(`ALTER TABLE hidden RENAME TO link_history`); err != nil {
			t.Fatal(err)
		}
		if results := link(t, service, by, mappertest.Item("r1", anID, anAccount)); results[0].Status != mapper.Succeeded {
			t.Errorf("the same message again: %+v", results[0])
		}
	})
}

func TestPurgeKeepsMessageIDsForTheirWindow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		now := time.Date(2026, 3, 6, 9, 0, 0, 0, time.UTC)
		service := mappertest.Service(t, db, func(c *mapper.Config) { c.Now = func() time.Time { return now } })
		by := mappertest.By("A")
		link(t, service, by, mappertest.Item("r1", anID, anAccount))
		count := func() (n int) {
			if err := service.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.Get(&n, `SELECT COUNT(*) FROM seen_messages`); err != nil {
				t.Fatal(err)
			}
			return n
		}
		now = now.Add(11 * time.Minute)
		if n := count(); n != 1 {
			t.Errorf("after 11 minutes %d message ids are remembered, want 1", n)
		}
		now = now.Add(2 * time.Minute)
		if n := count(); n != 0 {
			t.Errorf("after 13 minutes %d message ids are remembered, want 0", n)
		}
	})
}

func TestKnownDFSPOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db, func(c *mapper.Config) { c.KnownDFSPOnly = true })
		directory := mapper.NewDirectory(db, time.Now)
		err := directory.Load(t.Context(),
			[]mapper.DFSP{{Code: "alpha", Name: "Alpha Bank", Kind: mapper.Bank, Active: true}, {Code: "OLD", Name: "Old Wallet", Kind: mapper.MobileWallet}},
			[]mapper.Branch{{DFSP: "ALPHA", Code: "001", Name: "Main", Town: "Rivermouth", Active: true}})
		if err != nil {
			t.Fatal(err)
		}
		results := link(t, service, mappertest.By("A"), mappertest.Item("r1", anID, anAccount),
			mappertest.Item("r2", "token:2@n", "account:1@002.ALPHA.bank_acc"), mappertest.Item("r3", "token:3@n", "account:1@001.BETA.bank_acc"),
			mappertest.Item("r4", "token:4@n", "mobile:+15550100123@OLD.mobile_wallet"), mappertest.Item("r5", "token:5@n", "Account:1@001.alpha.bank_acc"))
		var got []mapper.Code
		for _, r := range results {
			got = append(got, r.Code)
		}
		if want := []mapper.Code{"", mapper.FAInvalid, mapper.FAInvalid, mapper.FAInvalid, ""}; !slices.Equal(got, want) {
			t.Errorf("codes %v, want %v", got, want)
		}
		details, err := service.Resolve(t.Context(), mappertest.By("A"), []mapper.Item{mappertest.Details("q", anID, "")})
		if err != nil || *details[0].Provider != (mapper.AccountProvider{Name: "Alpha Bank", Code: "ALPHA", Subcode: "001", Kind: mapper.Bank}) {
			t.Errorf("provider %+v, %v", details[0].Provider, err)
		}
	})
}

func TestDirectory(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		d := mapper.NewDirectory(db, time.Now)
		err := d.Load(t.Context(),
			[]mapper.DFSP{{Code: "B1", Name: "Crédit Élan", Kind: mapper.Bank, Active: true}, {Code: "B2", Name: "Bank 100%", Kind: mapper.Bank, Active: true}, {Code: "W", Name: "Wallet", Kind: mapper.MobileWallet, Active: true}},
			[]mapper.Branch{{DFSP: "B1", Code: "01", Name: "Marché", Town: "Rivermouth", Active: true}, {DFSP: "B1", Code: "02", Name: "Port", Town: "Seaholm", Active: true},
				{DFSP: "B2", Code: "01", Name: "Main", Town: "Rivermouth", Active: true}, {DFSP: "B2", Code: "09", Name: "Closed", Town: "Rivermouth"}})
		if err != nil {
			t.Fatal(err)
		}
		banks, err := d.Providers(t.Context(), mapper.Bank)
		if err != nil || len(banks) != 2 || banks[0].Name != "Bank 100%" {
			t.Errorf("Providers = %v, %v", banks, err)
		}
		for text, want := range map[string]int{"credit": 2, "ELAN march": 1, "rivermouth": 2, "01": 2, "100%": 1, "%": 0, "_": 0, "": 3, "closed": 0, "seaholm elan": 1, "nowhere": 0} {
			if found, err := d.Search(t.Context(), mapper.Search{Text: text, Limit: 10}); err != nil || found.Total != want || len(found.Branches) != want {
				t.Errorf("Search(%q) = %+v, %v; want %d", text, found, err, want)
			}
		}
		if b, err := d.Branch(t.Context(), "b1", "02"); err != nil || b.Town != "Seaholm" || b.DFSPName != "Crédit Élan" {
			t.Errorf("Branch = %+v, %v", b, err)
		}
		for _, code := range []string{"09", "99"} {
			if b, err := d.Branch(t.Context(), "B2", code); !errors.Is(err, mapper.ErrNotFound) {
				t.Errorf("Branch(%s) = %+v, %v; want ErrNotFound", code, b, err)
			}
		}
		if _, err := d.Provider(t.Context(), "NONE"); !errors.Is(err, mapper.ErrNotFound) {
			t.Errorf("Provider: %v, want ErrNotFound", err)
		}
		if err := d.Load(t.Context(), nil, []mapper.Branch{{DFSP: "NONE", Code: "1"}}); !errors.Is(err, mapper.ErrNotFound) {
			t.Errorf("Load of a branch without a bank: %v, want ErrNotFound", err)
		}
	})
}

func TestMaskAndLogValue(t *testing.T) {
	for number, want := range map[string]string{"123456789": "••••6789", "12345678": "••••5678", "1234567": "••••7", "1": "•", "": "", "12": "••••2", "jo@mail.example": "••••mple"} {
		if got := mapper.Mask(number); got != want {
			t.Errorf("Mask(%q) = %q, want %q", number, got, want)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "id", mapper.ID(anID))
	if strings.Contains(log.String(), "777001") {
		t.Errorf("an ID was logged: %s", log.String())
	}
}
