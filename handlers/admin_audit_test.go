package handlers_test

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"spar/internal/audit"
)

func (h *house) did(t *testing.T, events ...audit.Event) {
	t.Helper()
	if err := h.trail.Record(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
}

func TestAuditPage(t *testing.T) {
	h := newHouse(t)
	staffActor := audit.Actor{Kind: audit.Staff, ID: "staff:s-3", RequestID: "REQUEST"}
	for i := range 25 {
		h.did(t, audit.Event{Actor: staffActor, Action: audit.PartnerPermit, Target: "BANK-B", Before: "resolve", After: "link", Detail: map[string]string{"n": strconv.Itoa(i)}})
	}
	h.did(t,
		audit.Event{Actor: audit.Actor{Kind: audit.Beneficiary}, Action: audit.Link, Target: "links", After: "sha256:00"},
		audit.Event{Actor: audit.Actor{Kind: audit.Partner, ID: "BANK-A"}, Action: audit.Update, Target: "links"},
		audit.Event{Actor: audit.Actor{Kind: audit.System}, Action: audit.CallRefused, Target: "<b>BANK-A</b>", Detail: map[string]string{"reason": "=cmd()<script>"}},
	)
	admin, auditor := h.signedIn(t, inês), h.signedIn(t, tomás)
	s := auditor.get("/admin/audit").shows(http.StatusOK, "Audit log").lacks("<script>", "<b>")
	rows := s.table("Audit log")
	if len(rows) != 15 {
		t.Fatalf("%d rows", len(rows))
	}
	for i, want := range []string{"Call refused", "Accounts changed", "Accounts linked", "Permissions changed"} {
		if !strings.HasPrefix(rows[i], want) {
			t.Errorf("row %d is %q, want %q", i+1, rows[i], want)
		}
	}
	if !strings.HasSuffix(rows[0], "| <b>BANK-A</b> | The registry itself | reason==cmd()<script>") || !strings.HasSuffix(rows[3], "| BANK-B | Staff staff:s-3 | resolve → link n=24") {
		t.Errorf("rows are\n%s\n%s", rows[0], rows[3])
	}
	if row := admin.get("/admin/audit").table("Audit log")[3]; !strings.Contains(row, "| You staff:s-3 |") {
		t.Errorf("to who did it: %s", row)
	}
	older := s.Find("main a[href*='before=']").AttrOr("href", "")
	s = auditor.get(older)
	if rows := s.table("Audit log"); len(rows) != 14 || !strings.HasPrefix(rows[13], "Audit log begun") || s.Find("main a[href*='before=']").Length() != 0 {
		t.Errorf("%s has %d rows", older, len(rows))
	}
	for query, want := range map[string]int{
		"action=partner.": 15, "action=partner.&partner=BANK-B": 15, "action=link": 1, "partner=BANK-A": 1, "actor=BANK-A": 1, "actor=staff:s-3&action=update": 0,
		"from=2999-01-01": 0, "until=2999-01-01&action=link": 1, "until=2001-01-01": 0, "from=yesterday&action=link": 1, "action=nothing": 0, "before=x&action=link": 1,
	} {
		s := auditor.get("/admin/audit?"+query).shows(http.StatusOK, "Audit log")
		if got := len(s.table("Audit log")); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
		asked, _ := url.ParseQuery(query)
		if download := s.Find("main a[href*='audit.csv']").AttrOr("href", ""); !strings.Contains(download, url.QueryEscape(asked.Get("partner"))) {
			t.Errorf("%s: the download is %s", query, download)
		}
	}
}

func TestAuditDownload(t *testing.T) {
	h := newHouse(t)
	h.did(t, audit.Event{Actor: audit.Actor{Kind: audit.System}, Action: audit.CallRefused, Target: "BANK-A", Detail: map[string]string{"reason": "tampered"}})
	s := h.signedIn(t, tomás).get("/admin/audit.csv?action=call.")
	if s.status != http.StatusOK || s.header.Get("Content-Type") != "text/csv; charset=utf-8" || s.header.Get("Content-Disposition") != `attachment; filename="audit.csv"` {
		t.Errorf("status %d, %s, %s", s.status, s.header.Get("Content-Type"), s.header.Get("Content-Disposition"))
	}
	rows, err := csv.NewReader(strings.NewReader(s.body)).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][5] != "call.refused" || rows[1][6] != "BANK-A" || rows[1][9] != "reason=tampered" {
		t.Errorf("%v, %v", rows, err)
	}
}

func TestAuditPageTellsWhereTheLogEnds(t *testing.T) {
	h := newHouse(t)
	auditor := h.signedIn(t, tomás)
	end, err := h.trail.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if text := auditor.get("/admin/audit").text("#end"); !strings.Contains(text, "event 1,") || !strings.Contains(text, end.Hash) {
		t.Errorf("the end is told as %s", text)
	}
	if _, err := h.db.ExecContext(t.Context(), `UPDATE audit_head SET seq = seq + 1`); err != nil {
		t.Fatal(err)
	}
	s := auditor.get("/admin/audit").shows(http.StatusOK, "Audit log")
	if s.text("[role=alert] h2") != "The audit log was tampered with" || s.Find("#end").Length() != 0 {
		t.Errorf("a forged end is shown as %s", s.text("main"))
	}
}

// Every action has a text, and can be asked for.
func TestEveryActionHasAText(t *testing.T) {
	source, err := os.ReadFile("../internal/audit/audit.go")
	if err != nil {
		t.Fatal(err)
	}
	english, err := os.ReadFile("../web/i18n/locales/en.json")
	if err != nil {
		t.Fatal(err)
	}
	actions := regexp.MustCompile(`(?m)^\t\w+ += "([a-z._]+)"( //.*)?$`).FindAllSubmatch(source, -1)
	if len(actions) < 20 {
		t.Fatalf("found only %d actions", len(actions))
	}
	h := newHouse(t)
	options := h.signedIn(t, tomás).get("/admin/audit").Find("select option").Map(func(_ int, o *goquery.Selection) string { return o.AttrOr("value", "") })
	kinds := []string{audit.Staff, audit.Partner, audit.Beneficiary, audit.Command, audit.System}
	for _, found := range actions {
		action := string(found[1])
		if slices.Contains(kinds, action) {
			continue
		}
		if !bytes.Contains(english, []byte(`"admin.action.`+action+`":`)) {
			t.Errorf("%s has no text", action)
		}
		group, _, _ := strings.Cut(action, ".")
		if !slices.Contains(options, action) && !slices.Contains(options, group+".") && action != audit.LogBegun {
			t.Errorf("%s cannot be asked for", action)
		}
	}
}
