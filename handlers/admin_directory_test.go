package handlers_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/mapper"
	"spar/web"
)

// lastEvent is the newest event of the log.
func (h *house) lastEvent(t *testing.T) string {
	t.Helper()
	events, err := h.trail.List(t.Context(), audit.Filter{Limit: 1})
	if err != nil || len(events) == 0 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	e := events[0]
	return fmt.Sprintf("%s %s %s: %s -> %s", e.Actor.ID, e.Action, e.Target, e.Before, e.After)
}

// A bank is added with a branch, corrected, closed and opened again; each step says what it did.
func TestKeepADirectory(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn(t, inês)
	told := func(want string) {
		t.Helper()
		if got := h.lastEvent(t); !strings.HasSuffix(got, want) || !strings.Contains(got, "s-3") {
			t.Errorf("the log says %s, want %s", got, want)
		}
	}
	s := b.get("/admin/directory").shows(http.StatusOK, "Banks and wallets").has("#providers [role=status]", "4 banks and wallet providers")
	s.has("tbody tr:nth-child(1) th a", "Closed Bank").has("tbody tr:nth-child(1) .tag", "Closed").has("tbody tr:nth-child(2) td:nth-child(4) span", "2")
	s = b.get("/admin/directory/new-provider").shows(http.StatusOK, "Add a bank or wallet provider")
	s = b.leadsTo(b.submit(s, "main form", url.Values{"code": {" lakeside "}, "name": {"  Lakeside   Bank <b> "}, "kind": {"bank"}, "strategy": {"OpenG2P bank"}}), "/admin/directory/providers/LAKESIDE")
	s.shows(http.StatusOK, "Lakeside Bank <b>").lacks("Bank <b>").has(".under-heading .tag", "Open").has(".answers > div:nth-child(2) dd", "OpenG2P bank")
	told("directory.add bank LAKESIDE:  -> name=Lakeside Bank <b>; kind=bank; strategy=OpenG2P bank; active=true")

	s = b.get("/admin/directory/providers/LAKESIDE/new-branch").shows(http.StatusOK, "New branch of Lakeside Bank <b>")
	s = b.leadsTo(b.submit(s, "main form", url.Values{"branch_code": {"7"}, "name": {"Pier"}, "town": {"Port Marisol"}, "area": {"South"}}), "/admin/directory/providers/LAKESIDE/branches/7")
	s.shows(http.StatusOK, "Pier").has(".answers > div:nth-child(2) dd", "Port Marisol")
	told("directory.add branch LAKESIDE/7:  -> name=Pier; town=Port Marisol; area=South; active=true")
	s = b.get("/admin/directory/providers/LAKESIDE/branches/7/edit").shows(http.StatusOK, "Edit 7")
	b.leadsTo(b.submit(s, "main form", url.Values{"name": {"Old Pier"}, "town": {"Port Marisol"}, "area": {"South"}}), "/admin/directory/providers/LAKESIDE/branches/7").
		has("#flash p", "Saved.")
	told("directory.change branch LAKESIDE/7: name=Pier -> name=Old Pier")
	s = b.get("/admin/directory/providers/LAKESIDE/branches/7/close").shows(http.StatusOK, "Close the branch Old Pier?")
	b.leadsTo(b.submit(s, "main form", nil), "/admin/directory/providers/LAKESIDE/branches/7").has(".under-heading .tag", "Closed")
	b.leadsTo(b.submit(s, "main form", nil), "/admin/directory/providers/LAKESIDE/branches/7") // the button pressed twice
	told("directory.deactivate branch LAKESIDE/7: active=true -> active=false")
	b.get("/admin/directory?q=pier").has("#providers h2", "Branches with these words").has("#providers table:last-of-type tbody th a", "Old Pier")

	s = b.get("/admin/directory/providers/GREENVAL/close").shows(http.StatusOK, "Close Green Valley Bank?").has(".answers > div:nth-child(3) dd", "2").
		has(".answers > div:nth-child(4) dd", "0")
	b.leadsTo(b.submit(s, "main form", nil), "/admin/directory/providers/GREENVAL").has(".under-heading .tag", "Closed")
	if found, err := h.admin.Directory.Search(t.Context(), mapper.Search{Text: "market", Limit: 5}); err != nil || len(found.Branches) != 0 {
		t.Errorf("people find the branches of a closed bank: %v, %v", found.Branches, err)
	}
	s = b.get("/admin/directory/providers/GREENVAL/open").shows(http.StatusOK, "Open Green Valley Bank again?")
	b.leadsTo(b.submit(s, "main form", nil), "/admin/directory/providers/GREENVAL").has(".under-heading .tag", "Open")
	told("directory.activate bank GREENVAL: active=false -> active=true")
	for _, path := range []string{"/admin/directory/providers/NOBODY", "/admin/directory/providers/GREENVAL/branches/99", "/admin/directory/providers/PESAGO/new-branch", "/admin/directory/strategies/none"} {
		b.get(path).shows(http.StatusNotFound, "We cannot find this page")
	}
}

// Who is closed and which partners are limited to it is said before.
func TestClosingSaysWhatItTouches(t *testing.T) {
	h := newHouseToChange(t)
	b := h.signedIn(t, inês)
	s := b.submit(b.get("/admin/partners/BANK-A/settings"), "main form", url.Values{"name": {"Bank A"}, "permissions": {"link"}, "scope": {"some"}, "fa_providers": {"PESAGO"}})
	b.leadsTo(s, "/admin/partners/BANK-A")
	b.get("/admin/directory/providers/PESAGO/close").has(".answers > div:nth-child(4) dd", "Bank A")
	for _, name := range []string{"OpenG2P phone", "mobile wallet"} {
		s = b.get("/admin/directory/strategies/" + url.PathEscape(name) + "/close")
		if last := strings.Contains(s.text("main"), "the only one for its kind"); last != (name == "mobile wallet") {
			t.Errorf("%s is said to be the last one: %v", name, last)
		}
		b.leadsTo(b.submit(s, "main form", nil), "/admin/directory/strategies/"+url.PathEscape(name)).has(".under-heading .tag", "Not in use")
	}
}

func TestEntriesToCorrect(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn(t, inês)
	const good = `^x:(?P<account_number>[0-9]+)@(?P<bank_code>[A-Z]+)$`
	for _, test := range []struct {
		path   string
		values url.Values
		wants  string
	}{
		{"/admin/directory/new-provider", nil, "Code is missing. Enter it."},
		{"/admin/directory/new-provider", url.Values{"code": {"A B"}}, "Code can have letters from A to Z, digits, - and _ only, 40 of them at most, without spaces."},
		{"/admin/directory/new-provider", url.Values{"code": {"greenval"}, "name": {"Twin"}, "kind": {"bank"}}, "Code GREENVAL is in use already. Choose another one, or change the entry there is."},
		{"/admin/directory/new-provider", url.Values{"code": {"NEW"}, "name": {"New"}, "kind": {"shop"}}, "Kind must be bank, mobile_wallet or email_wallet."},
		{"/admin/directory/new-provider", url.Values{"code": {"NEW"}, "name": {"New"}, "kind": {"bank"}, "strategy": {"mobile wallet"}}, "There is no such strategy for this kind of account. Choose one from the list of strategies, or leave it empty."},
		{"/admin/directory/providers/GREENVAL/edit", url.Values{"name": {strings.Repeat("x", 201)}}, "Name is too long. Use at most 200 characters."},
		{"/admin/directory/providers/GREENVAL/new-branch", url.Values{"branch_code": {"001"}, "name": {"Twin"}}, "Branch code 001 is in use already. Choose another one, or change the entry there is."},
		{"/admin/directory/providers/GREENVAL/branches/001/edit", url.Values{"name": {"a\u202eb"}}, "Name has characters that cannot be seen. Type it again."},
		{"/admin/directory/new-strategy", url.Values{"name": {"new"}, "kind": {"bank"}, "construct": {"y:{account_number}@{bank_code}"}, "deconstruct": {good}},
			"Making an address and taking it apart must have the same fixed text, and the same names in the same order."},
		{"/admin/directory/new-strategy", url.Values{"name": {"new"}, "kind": {"bank"}, "construct": {"x:{account_number}@{bank_code}"}, "deconstruct": {good}, "number_min": {"many"}}, "Shortest number: no number could follow this rule. Correct it."},
		{"/admin/directory/strategies/bank/edit", url.Values{"construct": {"x:{account_number}@{bank_code}"}, "deconstruct": {good}, "number_check": {"mobile"}}, "Check of typing errors: no number could follow this rule. Correct it."},
	} {
		s := b.submit(b.get(test.path), "main form", test.values)
		if s.status != http.StatusUnprocessableEntity || s.text(".error-summary a") != test.wants {
			t.Errorf("%s %v: status %d, %q\nwant %q", test.path, test.values, s.status, s.text(".error-summary a"), test.wants)
		}
		target := s.Find(".error-summary a").AttrOr("href", "#nothing")
		if s.Find(target).Length() != 1 {
			t.Errorf("%s %v: the summary leads to %s, which is not there", test.path, test.values, target)
		}
		for name, values := range test.values {
			if input := s.Find("input[type=text]#" + name); input.Length() == 1 && !strings.EqualFold(input.AttrOr("value", ""), values[0]) {
				t.Errorf("%s: what was typed into %s is gone", test.path, name)
			}
		}
	}
}

// The second of two administrators is told, whatever they change.
func TestTwoKeepTheDirectory(t *testing.T) {
	h := newHouse(t)
	first, second := h.signedIn(t, inês), h.signedIn(t, olga)
	for path, values := range map[string][2]url.Values{
		"/admin/directory/providers/GREENVAL":              {{"name": {"First"}}, {"name": {"Second"}}},
		"/admin/directory/providers/GREENVAL/branches/001": {{"name": {"First"}, "town": {"A"}}, {"name": {"Second"}, "town": {"B"}}},
		"/admin/directory/strategies/bank": {
			{"construct": {"x:{account_number}@{bank_code}"}, "deconstruct": {`^x:(?P<account_number>[0-9]+)@(?P<bank_code>[A-Z]+)$`}},
			{"construct": {"y:{account_number}@{bank_code}"}, "deconstruct": {`^y:(?P<account_number>[0-9]+)@(?P<bank_code>[A-Z]+)$`}},
		},
	} {
		mine, theirs, closing := first.get(path+"/edit"), second.get(path+"/edit"), second.get(path+"/close")
		first.leadsTo(first.submit(mine, "main form", values[0]), path)
		second.submit(theirs, "main form", values[1]).shows(http.StatusConflict, "Somebody else changed this")
		second.submit(closing, "main form", nil).shows(http.StatusConflict, "Somebody else changed this")
	}
	h.signedIn(t, tomás).get("/admin/directory/providers/GREENVAL").shows(http.StatusOK, "First")
}

// Large lists have pages.
func TestDirectoryPages(t *testing.T) {
	h := newHouse(t)
	var list strings.Builder
	list.WriteString("bank_code,branch_code,name,bank_name,town\n")
	for i := range 60 {
		fmt.Fprintf(&list, "BANK%02d,001,Main,Bank Number %02d,Town\nGREENVAL,B%02d,Branch %02d,,Río %d\n", i, i, i, i, i%2)
	}
	h.importList(t, list.String(), false)
	b := h.signedIn(t, tomás)
	seen := map[string]bool{}
	s := b.get("/admin/directory?kind=bank").has(".pages span", "Page 1 of 6")
	for range 6 {
		s.Find("#providers tbody th a").Each(func(_ int, link *goquery.Selection) { seen[link.Text()] = true })
		if next := s.Find("a[rel=next]"); next.Length() == 1 {
			s = b.get(next.AttrOr("href", ""))
		}
	}
	if s.has(".pages span", "Page 6 of 6"); len(seen) != 62 {
		t.Errorf("%d banks on six pages, want 62", len(seen))
	}
	if s = b.get("/admin/directory?q=bank07"); s.Find("#providers tbody").First().Find("tr").Length() != 1 {
		t.Errorf("found %s", s.text("#providers"))
	}
	if s = b.htmx().get("/admin/directory?q=bank07"); strings.Contains(s.body, "<html") {
		t.Error("htmx does not get a fragment")
	}
	clear(seen)
	s = b.get("/admin/directory/providers/GREENVAL?q=rio")
	for range 5 {
		s.Find("#branches tbody th a").Each(func(_ int, link *goquery.Selection) { seen[link.Text()] = true })
		if next := s.Find("a[rel=next]"); next.Length() == 1 {
			s = b.get(next.AttrOr("href", ""))
		}
	}
	if len(seen) != 60 || s.Find("a[rel=prev]").AttrOr("href", "") != "/admin/directory/providers/GREENVAL?q=rio" {
		t.Errorf("%d branches found, want 60; back to %s", len(seen), s.Find("a[rel=prev]").AttrOr("href", ""))
	}
	for _, path := range []string{"/admin/directory", "/admin/directory?q=b", "/admin/directory/providers/GREENVAL", "/admin/directory/import", "/admin/directory/strategies"} {
		if s := h.signedIn(t, inês).get(path); len(s.body) > 15_000 {
			t.Errorf("%s weighs %d bytes", path, len(s.body))
		}
	}
	if s = b.get("/admin/directory?page=99&q=%00%ff"); s.status != http.StatusOK {
		t.Errorf("status %d", s.status)
	}
}

// importList puts a list into the directory.
func (h *house) importList(t *testing.T, text string, complete bool) {
	t.Helper()
	b := h.signedIn(t, inês)
	values := url.Values{}
	if complete {
		values.Set("complete", "yes")
	}
	s := b.sendList(b.get("/admin/directory/import"), values, text)
	s = b.get(s.header.Get("Location"))
	b.leadsTo(b.submit(s, "main form[action$='"+s.path[strings.LastIndex(s.path, "/"):]+"']", nil), s.path)
}

// sendList uploads a list, as a browser does: the file comes last.
func (b *browser) sendList(s *screen, values url.Values, text string) *screen {
	b.t.Helper()
	form := s.Find("main form[enctype='multipart/form-data']")
	if form.Length() != 1 || form.Find("[name]").Last().AttrOr("name", "") != "file" || form.Find("[name]").First().AttrOr("name", "") != web.FormTokenField {
		b.t.Fatalf("the form of %s does not begin with its token and end with the file", s.path)
	}
	return b.sendParts(form.AttrOr("action", ""), form.Find("input[name="+web.FormTokenField+"]").AttrOr("value", ""), values, text)
}

func (b *browser) sendParts(path, token string, values url.Values, text string) *screen {
	b.t.Helper()
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	parts.WriteField(web.FormTokenField, token)
	for name := range values {
		parts.WriteField(name, values.Get(name))
	}
	if text != "" {
		part, err := parts.CreateFormFile("file", "list.csv")
		if err != nil {
			b.t.Fatal(err)
		}
		part.Write([]byte(text))
	}
	parts.Close()
	return b.sendAs(http.MethodPost, path, parts.FormDataContentType(), &body)
}

// A strategy is tried without anything being kept.
func TestTryAStrategy(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn(t, tomás)
	const address = "account:99887766@001.GREENVAL.bank_acc"
	s := b.get("/admin/directory/strategies").has("tbody tr:nth-child(2) th a", "bank")
	b.get(s.Find("tbody tr:nth-child(2) th a").AttrOr("href", "")).shows(http.StatusOK, "bank").lacks("/edit")
	s = b.get("/admin/directory/strategies/bank/try").shows(http.StatusOK, "Try bank")
	apart := b.submit(s, "main form:first-of-type", url.Values{"what": {"apart"}, "address": {address}})
	apart.has("[role=status] .answers > div:nth-child(1) dd", "99887766").has("[role=status] .answers > div:nth-child(3) dd", "GREENVAL")
	b.submit(s, "main form:first-of-type", url.Values{"what": {"apart"}, "address": {"99887766"}}).shows(http.StatusUnprocessableEntity, "Try bank")
	made := b.submit(s, "main form:last-of-type", url.Values{"what": {"make"}, "value_account_number": {"99887766"}, "value_branch_code": {"001"}, "value_bank_code": {"GREENVAL"}})
	made.has("[role=status] .code", address).has("[role=status] .answers > div:nth-child(2) dd", "001")
	wrong := b.submit(s, "main form:last-of-type", url.Values{"what": {"make"}, "value_account_number": {"99887766"}, "value_branch_code": {"0.1"}, "value_bank_code": {"GREENVAL"}})
	wrong.shows(http.StatusUnprocessableEntity, "Try bank").has(".error-summary a", "No address can be made of these values: the strategy does not allow one of them. Correct it.")
	if strings.Contains(h.log.String(), "99887766") {
		t.Error("what was tried is in the log")
	}
	head, err := h.trail.Head(t.Context())
	if err != nil || head.Seq != 1 {
		t.Errorf("%d events, %v", head.Seq, err)
	}
}

// Changes by commands are seen here as well.
func TestDirectoryOfAnotherProcess(t *testing.T) {
	h := newHouse(t)
	b := h.signedIn(t, tomás)
	b.get("/admin/directory")
	other := mapper.NewDirectoryAdmin(mapper.NewDirectory(h.db, h.now), mapper.NewStrategies(h.db, h.now), h.trail)
	if err := other.SaveProvider(t.Context(), audittest.By, "", mapper.DFSP{Code: "ELSE", Name: "Elsewhere", Kind: mapper.Bank}); err != nil {
		t.Fatal(err)
	}
	b.get("/admin/directory?q=elsewhere").has("#providers tbody th a", "Elsewhere")
}

// In a country with a thousand banks the settings of a partner are still a page that a phone loads: those that are chosen,
// and a field for the codes of others.
func TestPartnerOfALargeDirectory(t *testing.T) {
	h := newHouseToChange(t)
	var banks []mapper.DFSP
	for n := range 1000 {
		banks = append(banks, mapper.DFSP{Code: fmt.Sprintf("BANK%03d", n), Name: fmt.Sprintf("Bank number %d", n), Kind: mapper.Bank, Active: true})
	}
	if err := mapper.NewDirectory(h.db, time.Now).Load(t.Context(), banks, nil); err != nil {
		t.Fatal(err)
	}
	b := h.signedIn(t, inês)
	s := b.get("/admin/partners/BANK-A/settings")
	if len(s.body) > 15_000 || strings.Contains(s.text("main"), "Bank number 7") {
		t.Errorf("the page has %d bytes", len(s.body))
	}
	form := url.Values{"name": {"Bank A"}, "permissions": {"link"}, "scope": {"some"}, "fa_provider_codes": {"bank007, BANK008 BANK9999"}}
	s = b.submit(s, "main form", form)
	if got := s.text(".error-summary a"); s.status != http.StatusUnprocessableEntity || !strings.Contains(got, "There is no bank or wallet provider with the code BANK9999.") {
		t.Fatalf("status %d, %q", s.status, got)
	}
	form.Set("fa_provider_codes", "bank007, BANK008;BANK007")
	b.leadsTo(b.submit(s, "main form", form), "/admin/partners/BANK-A")
	p, err := h.register.Get(t.Context(), "BANK-A")
	if err != nil || !slices.Equal(p.FAProviders, []string{"BANK007", "BANK008"}) {
		t.Errorf("the partner is limited to %v (%v)", p.FAProviders, err)
	}
	s = b.get("/admin/partners/BANK-A/settings")
	if got := s.Find("input[name=fa_providers][checked]").Length(); got != 2 {
		t.Errorf("%d providers are chosen, want 2", got)
	}
}
