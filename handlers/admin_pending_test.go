package handlers_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/web"
)

// Where two persons are wanted, one prepares and another approves exactly that, and nobody does both.
func TestTwoAdministrators(t *testing.T) {
	h := newHouse(t, keymgr.WithTwoPersons(true))
	first, second, auditor := h.signedIn(t, inês), h.signedIn(t, olga), h.signedIn(t, tomás)
	key := keytest.RSA(t, 1)
	first.submit(first.get("/admin/partners/new"), "main form", url.Values{"name": {"Bank A"}, "reference_id": {"BANK-A"}})
	first.leadsTo(first.addCertificate("BANK-A", key.Certificate(t), nil), "/admin/partners/BANK-A/settings")
	first.submit(first.get("/admin/partners/BANK-A/settings"), "main form", url.Values{"name": {"Bank A"}, "permissions": {"resolve"}, "scope": {"any"}})

	s := first.leadsTo(first.submit(first.get("/admin/partners/BANK-A/activate"), "main form", nil), "/admin/partners/BANK-A")
	s.has("#flash p", "Prepared. It takes effect when another administrator approves it.").has(".under-heading .tag", "Being onboarded")
	s.rowsAre("Waiting for a second person", "Activate the partner | Bank A BANK-A | You staff:s-3 | ")
	if h.signs(t, key, "BANK-A") {
		t.Fatal("one person activated the partner")
	}
	path := s.Find("table a[href*='/changes/']").AttrOr("href", "")
	own := first.get(path).shows(http.StatusOK, "Activate the partner")
	if own.Find("main form").Length() != 1 || !strings.Contains(own.text("main"), "another administrator has to approve it") {
		t.Errorf("who prepared it is offered %s", own.text("main"))
	}
	first.send(http.MethodPost, path, url.Values{web.FormTokenField: {first.formToken()}}).shows(http.StatusUnprocessableEntity, "Activate the partner").
		has("[role=alert][data-focus] p", "You prepared this yourself: another administrator has to approve it.")
	looked := auditor.get(path).shows(http.StatusOK, "Activate the partner")
	if looked.Find("main form").Length() != 0 {
		t.Error("an auditor is offered to approve")
	}
	auditor.send(http.MethodPost, path, url.Values{web.FormTokenField: {auditor.formToken()}}).shows(http.StatusForbidden, "Only administrators can do this")
	if h.signs(t, key, "BANK-A") {
		t.Fatal("the partner was activated without a second administrator")
	}

	second.get("/admin").rowsAre("Waiting for a second person", "Activate the partner | Bank A BANK-A | Staff staff:s-3 | ")
	s = second.get(path).shows(http.StatusOK, "Activate the partner")
	second.leadsTo(second.submit(s, "main form:not(#other)", nil), "/admin/partners/BANK-A").has(".under-heading .tag", "Active")
	if !h.signs(t, key, "BANK-A") {
		t.Error("the partner is not active")
	}
	second.submit(s, "main form:not(#other)", nil).shows(http.StatusConflict, "This change does not wait any more")
	second.get(path).shows(http.StatusConflict, "This change does not wait any more")
}

// Changes of an active partner wait as well, are shown in full, and are dropped if what they were made for is gone.
func TestPreparedChanges(t *testing.T) {
	h := newHouse(t)
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	keymgr.WithTwoPersons(true)(h.register)
	first, second := h.signedIn(t, inês), h.signedIn(t, olga)
	more := url.Values{"name": {"Bank A"}, "permissions": {"resolve", "details"}, "scope": {"any"}, "callback_url": {"https://a.example.org/"}}
	change := func() string {
		t.Helper()
		s := first.leadsTo(first.submit(first.get("/admin/partners/BANK-A/settings"), "main form", more), "/admin/partners/BANK-A")
		return s.Find("table a[href*='/changes/']").Last().AttrOr("href", "")
	}
	path := change()
	s := second.get(path).shows(http.StatusOK, "Change what the partner may do")
	if text := s.text("main"); !strings.Contains(text, "MayAsk yes or no, Ask for the account") || !strings.Contains(text, "As it is now") {
		t.Errorf("it is shown as %s", text)
	}
	second.leadsTo(second.submit(s, "#other", nil), "/admin/partners/BANK-A").has("#flash p", "Withdrawn.")
	second.submit(s, "main form:not(#other)", nil).shows(http.StatusConflict, "This change does not wait any more")

	path = change()
	second.leadsTo(second.submit(second.get(path), "main form:not(#other)", nil), "/admin/partners/BANK-A").has("#flash p", "Approved: it is in effect.")
	if p, _ := h.register.Get(t.Context(), "BANK-A"); !slices.Equal(p.Permissions, []keymgr.Permission{keymgr.Resolve, keymgr.Details}) {
		t.Errorf("permissions %v", p.Permissions)
	}

	more.Set("callback_url", "https://b.example.org/")
	stale, other := change(), ""
	more.Set("callback_url", "https://c.example.org/")
	other = change()
	second.submit(second.get(other), "main form:not(#other)", nil)
	if s := second.get(stale); s.Find("main form:not(#other)").Length() != 0 {
		t.Error("a change of what the partner was is offered for approval") // it could be what the partner is again by then
	}
	second.send(http.MethodPost, stale, url.Values{web.FormTokenField: {second.formToken()}}).shows(http.StatusUnprocessableEntity, "Change what the partner may do").
		has("[role=alert][data-focus] p", "The partner was changed after this was prepared. Withdraw it and prepare it again.")

	next := keytest.RSA(t, 2)
	s = first.leadsTo(first.addCertificate("BANK-A", next.Certificate(t), url.Values{"until": {today()}}), "/admin/partners/BANK-A")
	if h.signs(t, next, "BANK-A") {
		t.Error("one person added a key")
	}
	path = s.Find("table a[href*='/changes/']").FilterFunction(func(_ int, a *goquery.Selection) bool { return a.Text() == "Add a certificate" }).AttrOr("href", "")
	s = second.get(path).shows(http.StatusOK, "Add a certificate")
	if s.Find(".fingerprint span").Length() != 8 {
		t.Error("the fingerprint is not shown to who approves it")
	}
	second.leadsTo(second.submit(s, "main form:not(#other)", nil), "/admin/partners/BANK-A")
	if !h.signs(t, next, "BANK-A") {
		t.Error("the approved key does not verify")
	}
	first.leadsTo(first.submit(first.get("/admin/partners/BANK-A/suspend"), "main form", nil), "/admin/partners/BANK-A").has(".under-heading .tag", "Suspended")
}
