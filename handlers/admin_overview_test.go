package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
)

// onboard registers an active partner whose certificate ends after so many days.
func (h *house) onboard(t *testing.T, number int, reference, name string, days int) {
	t.Helper()
	end := h.now().Add(time.Duration(days)*24*time.Hour - time.Hour)
	_, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{
		ReferenceID: reference, Name: name, Status: keymgr.Active, Permissions: []keymgr.Permission{keymgr.Resolve},
	}, keytest.RSA(t, number).CertificateFor(t, h.now().Add(-time.Hour), end))
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) record(t *testing.T, calls ...keymgr.Call) {
	t.Helper()
	for _, call := range calls {
		h.calls.Record(call)
	}
	if err := h.calls.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// table returns the rows of the table with a caption, cells separated by bars.
func (s *screen) table(caption string) []string {
	s.t.Helper()
	table := s.Find("table").FilterFunction(func(_ int, t *goquery.Selection) bool { return t.Find("caption").Text() == caption })
	if table.Length() > 1 {
		s.t.Fatalf("%s has %d tables %q", s.path, table.Length(), caption)
	}
	var rows []string
	table.Find("tbody tr").Each(func(_ int, row *goquery.Selection) {
		var cells []string
		row.Find("th, td").Each(func(_ int, cell *goquery.Selection) {
			cells = append(cells, strings.Join(strings.Fields(cell.Text()), " "))
		})
		rows = append(rows, strings.Join(cells, " | "))
	})
	return rows
}

// rowsAre checks the rows of a table, each by its beginning.
func (s *screen) rowsAre(caption string, want ...string) {
	s.t.Helper()
	got := s.table(caption)
	if len(got) != len(want) {
		s.t.Errorf("%s: %q has %d rows, want %d:\n%s", s.path, caption, len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for i := range got {
		if !strings.HasPrefix(got[i], want[i]) {
			s.t.Errorf("%s: row %d of %q is %q, want %q", s.path, i+1, caption, got[i], want[i])
		}
	}
}

func TestOverview(t *testing.T) {
	h := newHouse(t)
	for number, p := range []struct {
		reference string
		days      int
	}{{"FAR", 400}, {"IN-60", 60}, {"IN-30", 30}, {"IN-14", 14}, {"IN-7", 7}, {"IN-1", 1}} {
		h.onboard(t, number, p.reference, "Partner "+p.reference, p.days)
	}
	if _, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "NEW"}, nil); err != nil {
		t.Fatal(err)
	}
	h.onboard(t, 6, "RESTING", "Resting", 3)
	if err := h.register.SetStatus(t.Context(), audittest.By, "RESTING", keymgr.Suspended); err != nil {
		t.Fatal(err)
	}
	h.record(t, keymgr.Call{Partner: "FAR", Action: "resolve", Outcome: "expired", Refused: true})
	h.later(8 * 24 * time.Hour) // out of sight, and what had a day left has ended
	for range 1234 {
		h.calls.Record(keymgr.Call{Partner: "FAR", Action: "resolve", Outcome: keymgr.CallOK})
	}
	h.record(t,
		keymgr.Call{Partner: "FAR", Action: "link", Outcome: "rjct.message_ts.invalid", Refused: true},
		keymgr.Call{Partner: "IN-7", Action: "link", Outcome: "tampered", Refused: true},
		keymgr.Call{Partner: "IN-7", Action: "link", Outcome: "tampered", Refused: true},
		keymgr.Call{Partner: "NOBODY", Action: "link", Outcome: "unknown_sender", Refused: true},
	)
	s := h.signedIn(t, tomás).get("/admin").shows(http.StatusOK, "Overview")
	s.has(".figures", "Linked accounts0Changes today0Active partners6Being onboarded1Suspended1Calls answered in 7 days1,234Calls refused in 7 days3")
	s.rowsAre("Certificates that end soon",
		"Partner IN-1 IN-1 | ", "Partner IN-7 IN-7 | ", "Partner IN-14 IN-14 | ", "Partner IN-30 IN-30 | ", "Partner IN-60 IN-60 | ")
	for i, want := range []string{"Ended", "Ended", "Within 7 days", "Within 30 days", "Within 60 days"} {
		if got := s.table("Certificates that end soon")[i]; !strings.HasSuffix(got, " | "+want) {
			t.Errorf("row %d is %q, want %q at the end", i+1, got, want)
		}
	}
	s.rowsAre("Calls in the last 7 days", "Partner FAR FAR | 1,234 | 1 | 0 | ", "Partner IN-7 IN-7 | 0 | 0 | 2 | ", "Unknown senders They name")
	s.rowsAre("Why calls were not answered in the last 7 days",
		"The signature fits none of the partner's certificates: another key, or the body was changed tampered | 2 | ",
		"The message is too old, from the future, or has no readable time rjct.message_ts.invalid | 1 | ",
		"The sender is not a partner unknown_sender | 1 | ")
	if s.Find("main table a[href='/admin/partners/FAR']").Length() != 1 {
		t.Error("a partner's name does not lead to the partner")
	}
}

func TestOverviewOfNothing(t *testing.T) {
	s := newHouse(t).portal.signedIn(t, inês)
	s.get("/admin").shows(http.StatusOK, "Overview").has("main .table", "")
}

// Every reason there is has a text of its own.
func TestOutcomesHaveTexts(t *testing.T) {
	h := newHouse(t)
	reasons := keymgr.Reasons()
	for _, reason := range reasons {
		h.calls.Record(keymgr.Call{Action: "link", Outcome: string(reason)})
	}
	for _, outcome := range []string{"signature_missing", "forbidden", "limited", "bad_request", "failed", "rjct.version.invalid", "rjct.message_id.duplicate",
		"rjct.message_ts.invalid", "rjct.action.not_supported", "rjct.total_count.invalid", "rjct.total_count.limit_exceeded"} {
		h.calls.Record(keymgr.Call{Action: "link", Outcome: outcome})
		reasons = append(reasons, keymgr.Reason(outcome))
	}
	h.record(t)
	rows := h.signedIn(t, inês).get("/admin").table("Why calls were not answered in the last 7 days")
	if len(rows) != len(reasons) {
		t.Fatalf("%d reasons, %d rows", len(reasons), len(rows))
	}
	for _, row := range rows {
		text, _, _ := strings.Cut(row, " | ")
		if words := strings.Fields(text); len(words) < 3 {
			t.Errorf("%q says nothing to an administrator", text)
		}
	}
}

func TestListPartners(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 0, "BANK-A", "Green Valley Bank", 400)
	h.onboard(t, 1, "XSS", `<script>alert(1)</script><img src=x onerror=alert(2)>`, 3)
	if _, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "PROGRAMME", Name: "Family grants"}, nil); err != nil {
		t.Fatal(err)
	}
	admin, auditor := h.signedIn(t, inês), h.signedIn(t, tomás)
	s := admin.get("/admin/partners").shows(http.StatusOK, "Partners").lacks("<script>alert", "<img")
	s.rowsAre("Partners", "Green Valley Bank BANK-A | Active | Ask yes or no | Valid", "Family grants PROGRAMME | Being onboarded | Nothing | No certificate",
		"<script>alert(1)</script><img src=x onerror=alert(2)> XSS | Active | Ask yes or no | Within 7 days")
	if s.Find("main a[href='/admin/partners/new']").Length() != 1 || auditor.get("/admin/partners").Find("main a[href='/admin/partners/new']").Length() != 0 {
		t.Error("administrators alone are offered to onboard a partner")
	}
	for query, want := range map[string]int{"green": 1, "bank-a": 1, "VALLEY": 1, "r": 3, "%": 0, `"><script>`: 0, strings.Repeat("x", 5000): 0} {
		q := "/admin/partners?q=" + url.QueryEscape(query)
		page, fragment := admin.get(q), admin.htmx().get(q)
		if got := len(page.table("Partners")); got != want {
			t.Errorf("%s: %d partners, want %d", query, got, want)
		}
		if got := len(fragment.table("Partners")); got != want || strings.Contains(fragment.body, "<html") || !varies(fragment) {
			t.Errorf("%s with htmx: %d partners, want %d, as a fragment", query, got, want)
		}
		page.lacks(`"><script>`)
	}
}
