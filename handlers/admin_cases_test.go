package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"spar/internal/audit"
	"spar/mapper"
	"spar/mapper/mappertest"
)

// reported has a partner link amina's account, and amina report it. It returns the case.
func (h *house) reported(t *testing.T) mapper.Case {
	t.Helper()
	h.onboard(t, 1, "BANK-A", "Far <Bank>", 400)
	item := mappertest.Item("1", amina.ID, "account:123456789012@001.GREENVAL.bank_acc")
	item.Name = mapper.String(amina.Name)
	if results, err := h.service.Link(t.Context(), mappertest.By("BANK-A"), []mapper.Item{item}); err != nil || results[0].Status != mapper.Succeeded {
		t.Fatal(err, results)
	}
	return h.report(t)
}

// report has amina report the last change of her account.
func (h *house) report(t *testing.T) mapper.Case {
	t.Helper()
	h.later(time.Second)
	changes, err := h.service.History(t.Context(), mapper.ID(amina.ID), 1)
	if err != nil || len(changes) == 0 {
		t.Fatal(err)
	}
	item := mappertest.Item("1", amina.ID, "")
	item.Change = mapper.String(changes[0].ID)
	result, err := h.service.Report(t.Context(), mappertest.Person(), item)
	if err != nil || result.Case == nil {
		t.Fatal(err, result)
	}
	return *result.Case
}

func TestStaffSettleACase(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn(t, inês)
	b.get("/admin").has("main > p:first-of-type", "0 cases are open. Changes people reported")
	if text := b.get("/admin/cases").shows(http.StatusOK, "Changes people reported").text("main"); !strings.Contains(text, "No case is open.") || !strings.Contains(text, "No case was settled yet.") {
		t.Errorf("no cases: %s", text)
	}
	reported := h.reported(t)
	path := "/admin/cases/" + reported.Number
	b.get("/admin").has("main > p:first-of-type", "1 case is open. Changes people reported")
	s := b.get("/admin/cases")
	if got := s.Find("main table a").AttrOr("href", ""); got != path || !strings.Contains(s.text("main table"), "Less than a day") {
		t.Errorf("open cases: %s, %s", got, s.text("main table"))
	}
	s = b.get(path).shows(http.StatusOK, "Case "+reported.Number).lacks("123456789012", "9901", amina.Name)
	text := s.text("main")
	for _, want := range []string{"Bank account, Green Valley Bank", "•••• 9012", "Far <Bank>", "BANK-A", reported.Reported[0], "Stopped", "No text is recorded with this change", "The person, in the portal"} {
		if !strings.Contains(text, want) {
			t.Errorf("the case does not say %q: %s", want, text)
		}
	}
	s = b.get(path+"/settle").shows(http.StatusOK, "Settle case "+reported.Number)
	for name, test := range map[string]struct {
		values url.Values
		want   string
	}{
		"nothing":     {url.Values{}, "Choose what shall happen Write a note: why do you settle it so?"},
		"no note":     {url.Values{"outcome": {"resumed"}, "note": {"  "}}, "Write a note: why do you settle it so?"},
		"long note":   {url.Values{"outcome": {"removed"}, "note": {strings.Repeat("ü", 501)}}, "Write at most 500 characters"},
		"own outcome": {url.Values{"outcome": {"closed"}, "note": {"kept"}}, "Choose what shall happen"},
	} {
		again := b.submit(s, "main form", test.values)
		if got := strings.Join(strings.Fields(again.Find(".error-summary li").Text()), " "); again.status != http.StatusUnprocessableEntity || strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(test.want, " ", "") {
			t.Errorf("%s: status %d, %q", name, again.status, got)
		}
		if note := strings.TrimSpace(test.values.Get("note")); again.Find("textarea").Text() != note {
			t.Errorf("%s: the note was not kept", name)
		}
		for _, link := range again.Find(".error-summary a").Map(func(_ int, a *goquery.Selection) string { return a.AttrOr("href", "") }) {
			if again.Find(link).Length() != 1 {
				t.Errorf("%s: the summary leads to %s, which is not there", name, link)
			}
		}
	}

	// Changed since: the page is too old, and the next one warns.
	h.later(time.Second)
	if results, err := h.service.Update(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Item("1", amina.ID, "account:55556666@002.GREENVAL.bank_acc")}); err != nil || results[0].Status != mapper.Succeeded {
		t.Fatal(err, results)
	}
	good := url.Values{"outcome": {"resumed"}, "note": {"Spoke <b>to</b> her"}}
	b.submit(s, "main form", good).shows(http.StatusConflict, "The account was changed in the meantime")
	if got := h.stored(t, amina.ID).Code; got != mapper.IDInactive {
		t.Errorf("the account is %s", got)
	}
	s = b.get(path + "/settle")
	if text := s.text("main .notice"); !strings.Contains(text, "After the report, the account was changed") || !strings.Contains(text, "The person, in the portal") {
		t.Errorf("warning: %s", text)
	}
	other := h.signedIn(t, olga)
	late := other.get(path + "/settle")
	s = b.leadsTo(b.submit(s, "main form", good), path).shows(http.StatusOK, "Case "+reported.Number)
	if text := s.text("main"); !strings.Contains(text, "Payments may go on") || !strings.Contains(text, "Spoke <b>to</b> her") || s.Find("a[href$='/settle']").Length() != 0 {
		t.Errorf("settled: %s", text)
	}
	if got := h.stored(t, amina.ID); got.Code != mapper.IDActive || !strings.Contains(got.FA, "55556666") {
		t.Errorf("the account is %+v", got)
	}
	other.submit(late, "main form", good).shows(http.StatusConflict, "This case is settled")
	other.get(path+"/settle").shows(http.StatusConflict, "This case is settled")
	b.get("/admin/cases/NONE-0000").shows(http.StatusNotFound, "We cannot find this page")

	second := h.report(t)
	s = b.submit(b.get("/admin/cases/"+second.Number+"/settle"), "main form", url.Values{"outcome": {"removed"}, "note": {"x"}})
	b.leadsTo(s, "/admin/cases/"+second.Number)
	if got := h.stored(t, amina.ID).Code; got != mapper.IDNotFound {
		t.Errorf("removed: %s", got)
	}
	third := h.report(t)
	s = b.get("/admin/cases/" + third.Number + "/settle")
	if s.Find("input[type=radio]").Length() != 0 || s.text("main form button") != "Close the case" {
		t.Errorf("nothing is linked: %s", s.text("main"))
	}
	b.leadsTo(b.submit(s, "main form", url.Values{"note": {"x"}}), "/admin/cases/"+third.Number)
	if text := b.get("/admin/cases").text("main"); strings.Count(text, "Closed, no account was linked") != 1 || !strings.Contains(text, "Account removed") {
		t.Errorf("settled cases: %s", text)
	}
	entries, err := h.trail.List(t.Context(), audit.Filter{Action: audit.CaseSettle})
	if err != nil || len(entries) != 3 || entries[0].Actor.ID != "staff:s-3" {
		t.Errorf("events %+v, %v", entries, err)
	}
	if log := h.log.String(); strings.Contains(log, "Spoke") || strings.Contains(log, reported.Number) || strings.Contains(log, "55556666") {
		t.Error("the log tells of the case")
	}
}

// Auditors look. An administrator who logged in too long ago is asked to do so again, and comes back to the form.
func TestWhoMaySettle(t *testing.T) {
	h := newHouse(t)
	reported := h.reported(t)
	path := "/admin/cases/" + reported.Number
	auditor := h.signedIn(t, tomás)
	s := auditor.get(path).shows(http.StatusOK, "Case "+reported.Number)
	if s.Find("a[href$='/settle']").Length() != 0 {
		t.Error("an auditor is offered to settle the case")
	}
	d, err := h.service.Case(t.Context(), reported.Number)
	if err != nil {
		t.Fatal(err)
	}
	values := url.Values{"form_token": {auditor.formToken()}, "state": {d.State}, "outcome": {"resumed"}, "note": {"x"}}
	if s := auditor.send(http.MethodPost, path+"/settle", values); s.status != http.StatusForbidden {
		t.Errorf("an auditor settled: status %d", s.status)
	}
	b := h.signedIn(t, inês)
	form := b.get(path + "/settle")
	h.later(16 * time.Minute)
	if s := b.submit(form, "main form", url.Values{"outcome": {"resumed"}, "note": {"x"}}); s.status != http.StatusSeeOther || s.header.Get("Location") != "/auth/login/staff" {
		t.Errorf("with an old login: status %d to %q", s.status, s.header.Get("Location"))
	}
	if d, err := h.service.Case(t.Context(), reported.Number); err != nil || !d.Open() {
		t.Errorf("the case: %+v, %v", d, err)
	}
}

// TestStaffAreWarnedOfALinkThatWaits: after a report, whoever is in the session removes the account and links their own.
// That waits, and nothing is linked; but whoever closes the case is told of it.
func TestStaffAreWarnedOfALinkThatWaits(t *testing.T) {
	h := newHouse(t)
	path := "/admin/cases/" + h.reported(t).Number
	h.config.Hold = 48 * time.Hour
	holding, err := mapper.NewService(h.config)
	if err != nil {
		t.Fatal(err)
	}
	b := h.signedIn(t, inês)
	h.later(time.Second)
	if r, err := holding.Unlink(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Item("1", amina.ID, "")}); err != nil || r[0].Status != mapper.Succeeded {
		t.Fatal(err, r)
	}
	before := b.get(path + "/settle")
	if text := before.text("main"); strings.Contains(text, "After the report") {
		t.Errorf("nothing waits: %s", text)
	}
	if r, err := holding.Link(t.Context(), mappertest.Person(), []mapper.Item{mappertest.Item("1", amina.ID, "account:55556666@002.GREENVAL.bank_acc")}); err != nil || r[0].EffectiveAt.IsZero() {
		t.Fatal(err, r)
	}
	note := url.Values{"note": {"x"}}
	b.submit(before, "main form", note).shows(http.StatusConflict, "The account was changed in the meantime")
	s := b.get(path + "/settle")
	if text := s.text("main .notice"); !strings.Contains(text, "After the report, the account was changed") || !strings.Contains(text, "The person, in the portal") {
		t.Errorf("warning: %s", text)
	}
	b.leadsTo(b.submit(s, "main form", note), path)
}
