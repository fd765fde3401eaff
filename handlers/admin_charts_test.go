package handlers_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"spar/keymgr"
	"spar/mapper"
	"spar/mapper/mappertest"
)

// columnHeights returns the height of each column that a path of a chart draws.
func columnHeights(path string) (heights []float64) {
	for _, found := range regexp.MustCompile(`v-([0-9.]+)`).FindAllStringSubmatch(path, -1) {
		height, _ := strconv.ParseFloat(found[1], 64)
		heights = append(heights, height)
	}
	return heights
}

func TestChartsOfLinks(t *testing.T) {
	h := newHouse(t)
	link := func(from, n int) {
		t.Helper()
		items := make([]mapper.Item, n)
		for i := range items {
			items[i] = mappertest.Item(fmt.Sprint(i), fmt.Sprintf("token:%06d@nationalid", from+i), "account:12345678@001.GREENVAL.bank_acc")
		}
		if _, err := h.service.Link(t.Context(), mappertest.By("BANK"), items); err != nil {
			t.Fatal(err)
		}
	}
	link(0, 1200)
	h.later(40 * 24 * time.Hour) // out of the charts
	link(1200, 40)
	h.later(2 * 24 * time.Hour)
	link(1240, 10)
	_, err := h.service.Update(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("1", "token:000001@nationalid", "account:87654321@001.GREENVAL.bank_acc")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.service.Unlink(t.Context(), mappertest.By("BANK"), []mapper.Item{mappertest.Item("1", "token:000002@nationalid", ""), mappertest.Item("2", "token:000003@nationalid", "")}); err != nil {
		t.Fatal(err)
	}
	today := h.now().UTC()
	date := func(days int) string { return today.AddDate(0, 0, days).Format("2 January 2006") }

	s := h.signedIn(t, inês).get("/admin").shows(http.StatusOK, "Overview")
	if got := s.text(".figures"); !strings.HasPrefix(got, "Linked accounts1,248Changes today13") {
		t.Errorf("figures: %s", got)
	}
	links, changes := s.table("Linked accounts in the last 30 days"), s.table("Changes in the last 30 days")
	if len(links) != 30 || len(changes) != 30 {
		t.Fatalf("%d and %d rows, want 30", len(links), len(changes))
	}
	for _, test := range []struct{ got, want string }{
		{links[0], date(0) + " | 1,248"}, {links[1], date(-1) + " | 1,240"}, {links[2], date(-2) + " | 1,240"}, {links[3], date(-3) + " | 1,200"}, {links[29], date(-29) + " | 1,200"},
		{changes[0], date(0) + " | 10 | 1 | 2"}, {changes[1], date(-1) + " | 0 | 0 | 0"}, {changes[2], date(-2) + " | 40 | 0 | 0"},
	} {
		if test.got != test.want {
			t.Errorf("row %q, want %q", test.got, test.want)
		}
	}
	s.has("#chart-changes ~ .keys", "Linked 50 Changed 1 Removed 2").has("#chart-changes ~ .plot .plot-scale", "40200")
	s.has("#chart-links ~ .plot .plot-scale", "1,2601,2301,200")
	for path, want := range map[string]string{"series-1": "[100 25]", "series-2": "[2.5]", "series-3": "[5]"} {
		if got := fmt.Sprint(columnHeights(s.Find("#chart-changes ~ .plot ."+path).AttrOr("d", ""))); got != want {
			t.Errorf("columns of %s are %s high, want %s", path, got, want)
		}
	}
	if line := s.Find("#chart-links ~ .plot .line").AttrOr("d", ""); !strings.HasPrefix(line, "M0 100L10.34 100L") || !strings.HasSuffix(line, " 33.33L289.66 33.33L300 20") {
		t.Errorf("the line is %s", line)
	}
	for chart, want := range map[string]string{
		"links":   "1,200 linked accounts on " + date(-29) + ", 1,248 on " + date(0) + ".",
		"changes": date(-29) + " to " + date(0) + ": 50 linked, 1 changed, 2 removed. At most 40 on one day.",
	} {
		if got := s.Find("#chart-"+chart+" ~ .plot svg[role=img]").AttrOr("aria-label", ""); got != want {
			t.Errorf("%s is said to be %q, want %q", chart, got, want)
		}
	}
}

func TestChartsOfCalls(t *testing.T) {
	h := newHouse(t)
	for i := range 10 {
		reference := fmt.Sprintf("PARTNER-%d", i)
		h.onboard(t, i, reference, "Partner "+strconv.Itoa(i), 400)
		for range i * 10 {
			h.calls.Record(keymgr.Call{Partner: reference, Action: "resolve", Outcome: keymgr.CallOK})
		}
	}
	for range 30 {
		h.calls.Record(keymgr.Call{Partner: "PARTNER-9", Action: "link", Outcome: "rjct.message_ts.invalid", Refused: true})
	}
	h.record(t, keymgr.Call{Partner: "PARTNER-9", Action: "link", Outcome: "tampered", Refused: true})
	s := h.signedIn(t, inês).get("/admin").shows(http.StatusOK, "Overview")
	bars := s.Find("#chart-calls ~ .bars li").Map(func(_ int, li *goquery.Selection) string { return strings.Join(strings.Fields(li.Text()), " ") })
	if len(bars) != 8 || bars[0] != "Partner 9 121" || bars[7] != "Partner 2 20" {
		t.Errorf("bars %q", bars)
	}
	if got := s.text("#chart-calls ~ .quiet"); got != "1 more is in the table." {
		t.Errorf("note %q", got)
	}
	var widths []string
	s.Find("#chart-calls ~ .bars li:first-child path").Each(func(_ int, p *goquery.Selection) {
		widths = append(widths, p.AttrOr("class", "")+" "+p.AttrOr("d", ""))
	})
	if want := "series-1 M0 0h74.38v1h-74.38z, series-2 M74.38 0h24.79v1h-24.79z, series-3 M99.17 0h0.83v1h-0.83z"; strings.Join(widths, ", ") != want {
		t.Errorf("the first bar is %s, want %s", strings.Join(widths, ", "), want)
	}
	s.has("#chart-calls ~ .keys", "Answered 450 Rejected 30 Refused 1")
	if n := len(s.table("Calls in the last 7 days")); n != 9 {
		t.Errorf("%d partners in the table, want 9", n)
	}
	if got := s.text("#chart-refusals ~ .bars li:first-child"); !strings.HasPrefix(got, "The message is too old") || !strings.HasSuffix(got, " 30") {
		t.Errorf("the first reason is %q", got)
	}
}
