package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"spar/keymgr"
)

var generalLimits = keymgr.Limits{MaxBatch: 1000, ItemsPerSecond: 20000, BulkItemsPerSecond: 300000}

// limitsOf is what a partner's page says about its limits.
func limitsOf(s *screen) (rows []string) {
	for _, row := range s.Find(".answers > div").EachIter() {
		if key := strings.TrimSpace(row.Find("dt").Text()); strings.HasPrefix(key, "Items ") {
			rows = append(rows, key+": "+strings.Join(strings.Fields(row.Find("dd").First().Text()), " "))
		}
	}
	return rows
}

func checkLimitsShown(t *testing.T, s *screen, want ...string) {
	t.Helper()
	if got := limitsOf(s); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the page shows %q, want %q", got, want)
	}
}

func TestLimitsOfAPartnerOnItsPages(t *testing.T) {
	h := newHouse(t, keymgr.WithGeneralLimits(generalLimits))
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	b := h.signedIn(t, inês)
	const page, settings = "/admin/partners/BANK-A", "/admin/partners/BANK-A/settings"
	checkLimitsShown(t, b.get(page), "Items in one message: 1,000 As for everybody", "Items a second: 20,000 As for everybody",
		"Items a second in payment lists: 300,000 As for everybody")
	s := b.get(settings).shows(http.StatusOK, "What Bank A may do")
	for field, hint := range map[string]string{
		"max_batch": "For everybody: 1,000.", "items_per_second": "For everybody: 20,000.", "bulk_items_per_second": "For everybody: 300,000.",
	} {
		if value, exists := s.Find("#" + field).Attr("value"); !exists || value != "" || !strings.Contains(s.text("#"+field+"-hint"), hint) {
			t.Errorf("%s holds %q, hint %q", field, value, s.text("#"+field+"-hint"))
		}
	}
	form := func(batch, rate, lists string) url.Values {
		return url.Values{
			"name": {"Bank A"}, "permissions": {"resolve"}, "scope": {"any"}, "max_batch": {batch}, "items_per_second": {rate}, "bulk_items_per_second": {lists},
		}
	}
	b.leadsTo(b.submit(s, "main form", form(" 500 ", "30000", "0")), page)
	checkLimitsShown(t, b.get(page), "Items in one message: 500 For this partner", "Items a second: 30,000 For this partner",
		"Items a second in payment lists: 300,000 As for everybody")
	if p, err := h.register.Get(t.Context(), "BANK-A"); err != nil || p.Limits != (keymgr.Limits{MaxBatch: 500, ItemsPerSecond: 30000}) {
		t.Errorf("limits %s, %v", p.Limits, err)
	}
	s = b.get(settings)
	if s.Find("#max_batch").AttrOr("value", "") != "500" || s.Find("#bulk_items_per_second").AttrOr("value", "?") != "" {
		t.Error("the form does not show what the partner has")
	}
	b.leadsTo(b.submit(b.get(settings), "main form", form("5000", "", "")), page)
	checkLimitsShown(t, b.get(page), "Items in one message: 1,000 As for everybody", "Items a second: 20,000 As for everybody",
		"Items a second in payment lists: 300,000 As for everybody")
	if text := b.get(page).text("main"); strings.Count(text, "Message size or rate changed") != 2 {
		t.Errorf("what was changed: %s", text)
	}
}

func TestLimitsToCorrect(t *testing.T) {
	h := newHouse(t, keymgr.WithGeneralLimits(generalLimits))
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	b := h.signedIn(t, inês)
	for _, test := range []struct{ field, typed, wants string }{
		{"max_batch", "10001", "Items in one message: enter a whole number, at most 10,000, or nothing"},
		{"max_batch", "-1", "Items in one message: enter a whole number, at most 10,000, or nothing"},
		{"max_batch", "many", "Items in one message: enter a whole number, at most 10,000, or nothing"},
		{"items_per_second", "1.5", "Items a second: enter a whole number, at most 1,000,000,000, or nothing"},
		{"items_per_second", "1000000001", "Items a second: enter a whole number, at most 1,000,000,000, or nothing"},
		{"bulk_items_per_second", "99999999999999999999", "Items a second in payment lists: enter a whole number, at most 1,000,000,000, or nothing"},
		{"bulk_items_per_second", `"><script>`, "Items a second in payment lists: enter a whole number, at most 1,000,000,000, or nothing"},
	} {
		values := url.Values{"name": {"Bank A"}, "permissions": {"resolve"}, "scope": {"any"}, test.field: {test.typed}}
		s := b.submit(b.get("/admin/partners/BANK-A/settings"), "main form", values)
		s.shows(http.StatusUnprocessableEntity, "What Bank A may do").has(".error-summary a", test.wants).lacks("<script>")
		if link := s.Find(".error-summary a").AttrOr("href", ""); link != "#"+test.field || s.Find(link).AttrOr("value", "") != test.typed {
			t.Errorf("%s %q: the summary leads to %s, which holds %q", test.field, test.typed, link, s.Find(link).AttrOr("value", ""))
		}
	}
	if p, err := h.register.Get(t.Context(), "BANK-A"); err != nil || p.Limits != (keymgr.Limits{}) {
		t.Errorf("limits %s, %v", p.Limits, err)
	}
}

// Whoever approves higher limits sees them; lower ones do not wait.
func TestTwoAdministratorsRaiseALimit(t *testing.T) {
	h := newHouse(t, keymgr.WithGeneralLimits(generalLimits))
	h.onboard(t, 1, "BANK-A", "Bank A", 400)
	keymgr.WithTwoPersons(true)(h.register)
	first, second := h.signedIn(t, inês), h.signedIn(t, olga)
	save := func(rate string) *screen {
		t.Helper()
		s := first.get("/admin/partners/BANK-A/settings")
		return first.leadsTo(first.submit(s, "main form", url.Values{"name": {"Bank A"}, "items_per_second": {rate}, "permissions": {"resolve"}, "scope": {"any"}}), "/admin/partners/BANK-A")
	}
	lower := save("10")
	checkLimitsShown(t, lower, "Items in one message: 1,000 As for everybody", "Items a second: 10 For this partner",
		"Items a second in payment lists: 300,000 As for everybody")
	higher := save("50000")
	path := higher.Find("table a[href*='/changes/']").AttrOr("href", "")
	s := second.get(path).shows(http.StatusOK, "Change what the partner may do")
	if text := strings.Join(strings.Fields(s.text("main")), " "); !strings.Contains(text, "50,000") || !strings.Contains(text, "10 For this partner") && !strings.Contains(text, "10For this partner") {
		t.Errorf("the change is shown as %s", text)
	}
	second.leadsTo(second.submit(s, "main form:not(#other)", nil), "/admin/partners/BANK-A")
	if p, err := h.register.Get(t.Context(), "BANK-A"); err != nil || p.Limits.ItemsPerSecond != 50000 {
		t.Errorf("limits %s, %v", p.Limits, err)
	}
}
