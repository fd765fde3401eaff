package handlers_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"spar/internal/audit"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// begun is the browser of somebody who has chosen a kind of account, and the bank or provider if there is one.
func (p *portal) begun(t *testing.T, kind, path, field, value string) *browser {
	t.Helper()
	b := p.signedIn(t, amina)
	s := b.leadsTo(b.submit(b.get("/account/change"), "main form", url.Values{"kind": {kind}}), path)
	if value != "" {
		if kind == string(mapper.Bank) {
			s = b.get(path + "?q=green")
		}
		b.leadsTo(b.submit(s, "main form[method=post]", url.Values{field: {value}}), path+"/details")
	}
	return b
}

// What cannot be accepted comes back with the values kept and a message at the field, as a page and as a fragment.
func TestDetailsToCorrect(t *testing.T) {
	p := newPortal(t)
	bank := p.begun(t, "bank", "/account/change/bank", "branch", "GREENVAL:001")
	mobile := p.begun(t, "mobile_wallet", "/account/change/wallet", "provider", "PESAGO")
	email := p.begun(t, "email_wallet", "/account/change/email", "provider", "MAILPAY")
	for _, test := range []struct {
		name         string
		b            *browser
		path, field  string
		typed, wants string
	}{
		{"nothing", bank, "/account/change/bank/details", "account_number", "  ", "Enter your account number"},
		{"too short", bank, "/account/change/bank/details", "account_number", "12-3", "An account number of Green Valley Bank has 4 to 34 letters and digits. You typed 3."},
		{"too long", bank, "/account/change/bank/details", "account_number", strings.Repeat("1", 35), "An account number of Green Valley Bank has 4 to 34 letters and digits. You typed 35."},
		{"other characters", bank, "/account/change/bank/details", "account_number", `1234@9.X"><b>`, "Type letters and digits only. An account number of Green Valley Bank has no “@”."},
		{"no phone", mobile, "/account/change/wallet/details", "mobile_number", "", "Enter the phone number of your wallet"},
		{"half a phone", mobile, "/account/change/wallet/details", "mobile_number", "0917 12", "Enter a complete phone number, like 0905 123 4567"},
		{"a word", mobile, "/account/change/wallet/details", "mobile_number", "phone", "Enter a complete phone number, like 0905 123 4567"},
		{"no address", email, "/account/change/email/details", "email_address", "", "Enter the e-mail address of your wallet"},
		{"no domain", email, "/account/change/email/details", "email_address", "amina@", "Enter an e-mail address in the form name@example.org"},
		{"two addresses", email, "/account/change/email/details", "email_address", "a@b.org@evil.org", "Enter an e-mail address in the form name@example.org"},
		{"a name", email, "/account/change/email/details", "email_address", "Amina <a@b.org>", "Enter an e-mail address in the form name@example.org"},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := test.b.get(test.path)
			page := test.b.submit(form, "main form", url.Values{test.field: {test.typed}})
			fragment := test.b.htmx().submit(form, "main form", url.Values{test.field: {test.typed}})
			for _, s := range []*screen{page, fragment} {
				s.t = t
				if s.status != http.StatusUnprocessableEntity {
					t.Fatalf("status %d, want 422", s.status)
				}
				s.has(".error-summary a", test.wants).has("#"+test.field+"-error", "Error: "+test.wants)
				if value, _ := s.Find("#" + test.field).Attr("value"); value != test.typed {
					t.Errorf("the value kept is %q, want %q", value, test.typed)
				}
				if !strings.HasPrefix(s.Find("title").Text(), "Error: ") {
					t.Errorf("the title is %q", s.Find("title").Text())
				}
			}
			if page.Find("header").Length() != 1 || strings.Contains(fragment.body, "<html") || !varies(page) {
				t.Error("not a page without htmx, or not a fragment with it")
			}
			test.b.leadsTo(test.b.get("/account/check"), test.path)
		})
	}
}

// Each bank has its own rule: the page states it, and the message says what does not keep it.
func TestRulesOfBanks(t *testing.T) {
	p := newPortal(t)
	bank := mapper.Strategy{
		Kind: mapper.Bank, Active: true, Construct: "account:{account_number}@{branch_code}.{bank_code}.bank_acc",
		Deconstruct: `^account:(?P<account_number>[A-Z0-9]+)@(?P<branch_code>[A-Z0-9]+)\.(?P<bank_code>[A-Z0-9]+)\.bank_acc$`,
	}
	wallet := mapper.Strategy{
		Kind: mapper.MobileWallet, Active: true, Construct: "mobile:{mobile_number}@{provider_code}.mobile_wallet",
		Deconstruct: `^mobile:(?P<mobile_number>[+0-9]+)@(?P<provider_code>[A-Z0-9]+)\.mobile_wallet$`,
	}
	begun := map[string]*browser{}
	for code, rule := range map[string]mapper.NumberRule{
		"ELEVEN": {MinLength: 11, MaxLength: 11, Chars: mapper.Digits, Groups: "4 4 3", Example: "0012 3456 789"}, "LUHN": {MinLength: 8, MaxLength: 12, Check: mapper.CheckLuhn},
		"EUROPE": {Check: mapper.CheckIBAN}, "FRENCH": {Check: mapper.CheckIBAN, Country: "FR"}, "WORDS": {MinLength: 6, MaxLength: 6}, "PHONES": {Check: mapper.CheckMobile},
	} {
		s, choice, path := bank, "branch", "/account/change/bank"
		if code == "PHONES" {
			s, choice, path = wallet, "provider", "/account/change/wallet"
		}
		if code == "WORDS" {
			s.Deconstruct = strings.Replace(s.Deconstruct, "[A-Z0-9]", "[0-9]", 1)
		}
		s.Name, s.NumberRule = code, rule
		if err := p.editor.SaveStrategy(t.Context(), audit.Actor{Kind: audit.Staff, ID: "test"}, "", s); err != nil {
			t.Fatal(err)
		}
		provider := mapper.DFSP{Code: code, Name: "The " + code, Kind: s.Kind, Strategy: code, Active: true}
		value, branches := code, []mapper.Branch(nil)
		if s.Kind == mapper.Bank {
			value, branches = code+":1", []mapper.Branch{{DFSP: code, Code: "1", Name: "Main", Town: "Kitemba", Active: true}}
		}
		if err := p.directory.Load(t.Context(), []mapper.DFSP{provider}, branches); err != nil {
			t.Fatal(err)
		}
		begun[code] = p.begun(t, string(s.Kind), path, choice, value)
	}
	for _, test := range []struct{ code, typed, wants string }{ // wants: a message, or the number as it is shown before it is confirmed
		{"ELEVEN", "0012345678", "An account number of The ELEVEN has 11 digits. You typed 10."},
		{"ELEVEN", "0012345678O", "Type digits only. An account number of The ELEVEN has no “O”."},
		{"ELEVEN", "0012-3456-789", "0012 3456 789"},
		{"LUHN", "7992739", "An account number of The LUHN has 8 to 12 digits. You typed 7."},
		{"LUHN", "79927398712", "There is a mistake in this number. Compare it with your passbook or statement, one character after the other."},
		{"LUHN", "79927398713", "79927398713"},
		{"EUROPE", "1234567890", "An IBAN begins with the two letters of a country, such as GB. 12 is not one of them."},
		{"EUROPE", "GB29 NWBK 6016 1331 9268 1", "An account number of The EUROPE is an IBAN. It begins with GB and has 22 letters and digits. You typed 21."},
		{"EUROPE", "GB28 NWBK 6016 1331 9268 19", "There is a mistake in this number. Compare it with your passbook or statement, one character after the other."},
		{"EUROPE", "gb29nwbk60161331926819", "GB29 NWBK 6016 1331 9268 19"},
		{"FRENCH", "GB29 NWBK 6016 1331 9268 19", "An account number of The FRENCH begins with FR. You typed GB."},
		{"WORDS", "12345", "An account number of The WORDS has 6 letters and digits. You typed 5."},
		{"WORDS", "abc123", "Your bank does not know such a number. Compare it with your passbook or statement."}, // its addresses have digits only
		{"WORDS", "\x07\x08bc1", "Type letters and digits only. An account number of The WORDS has no “�”."},
		{"PHONES", "02 8123 4567", "The PHONES works with mobile phones only. Enter the number of a mobile phone, like 0905 123 4567"},
		{"PHONES", "0917 123 4567 890 123 456", "This phone number is too long. Enter one number, like 0905 123 4567"},
		{"PHONES", "0917 123 4567", "+63 917 123 4567"},
	} {
		b, path, field := begun[test.code], "/account/change/bank/details", "account_number"
		if test.code == "PHONES" {
			path, field = "/account/change/wallet/details", "mobile_number"
		}
		s := b.submit(b.get(path), "main form", url.Values{field: {test.typed}})
		if s.status == http.StatusUnprocessableEntity {
			s.has(".error-summary a", test.wants).has("#"+field+"-error", "Error: "+test.wants)
			continue
		}
		b.leadsTo(s, "/account/check").has(".answers strong", test.wants)
	}
	for code, hint := range map[string]string{
		"ELEVEN": "An account number of The ELEVEN has 11 digits. For example 0012 3456 789. You find it in your passbook or on a statement, not on your card.",
		"EUROPE": "An account number of The EUROPE is an IBAN. It begins with the two letters of a country. You find it in your passbook or on a statement, not on your card.",
		"FRENCH": "An account number of The FRENCH is an IBAN. It begins with FR and has 27 letters and digits. You find it in your passbook or on a statement, not on your card.",
	} {
		begun[code].get("/account/change/bank/details").has("#account_number-hint", hint)
	}
	if mode, _ := begun["LUHN"].get("/account/change/bank/details").Find("#account_number").Attr("inputmode"); mode != "numeric" {
		t.Errorf("the keyboard for digits is %q", mode)
	}

	// A rule that becomes stricter holds for what was typed before.
	strict := bank
	strict.Name, strict.NumberRule = "ELEVEN", mapper.NumberRule{MinLength: 12, MaxLength: 12, Chars: mapper.Digits}
	before := bank
	before.Name, before.NumberRule = "ELEVEN", mapper.NumberRule{MinLength: 11, MaxLength: 11, Chars: mapper.Digits, Groups: "4 4 3", Example: "0012 3456 789"}
	if err := p.editor.SaveStrategy(t.Context(), audit.Actor{Kind: audit.Staff, ID: "test"}, before.State(), strict); err != nil {
		t.Fatal(err)
	}
	begun["ELEVEN"].leadsTo(begun["ELEVEN"].get("/account/check"), "/account/change/bank/details")
}

func TestNumbersAreStoredInOneForm(t *testing.T) {
	p := newPortal(t)
	bank := p.begun(t, "bank", "/account/change/bank", "branch", "GREENVAL:002")
	mobile := p.begun(t, "mobile_wallet", "/account/change/wallet", "provider", "PESAGO")
	for _, test := range []struct {
		b                        *browser
		path, field, typed, want string
	}{
		{bank, "/account/change/bank/details", "account_number", "12 34–56-78\u00a090", "1234567890"},
		{bank, "/account/change/bank/details", "account_number", "١٢٣٤٥", "12345"},
		{bank, "/account/change/bank/details", "account_number", "GB29 NWBK 6016 1331 9268 19", "GB29NWBK60161331926819"},
		{mobile, "/account/change/wallet/details", "mobile_number", "(0917) 123-4567", "+63 917 123 4567"},
		{mobile, "/account/change/wallet/details", "mobile_number", "+63 917 123 4567", "+63 917 123 4567"},
		{mobile, "/account/change/wallet/details", "mobile_number", "+12025550101", "+1 202-555-0101"},
	} {
		s := test.b.submit(test.b.get(test.path), "main form", url.Values{test.field: {test.typed}})
		test.b.leadsTo(s, "/account/check").has(".answers strong", test.want)
		if s := test.b.htmx().submit(test.b.get(test.path), "main form", url.Values{test.field: {test.typed}}); s.header.Get("HX-Redirect") != "/account/check" {
			t.Errorf("%s: htmx was answered %d and led to %q", test.typed, s.status, s.header.Get("HX-Redirect"))
		}
	}
}

// Only what the directory offers can be chosen.
func TestChoicesOutsideTheDirectory(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	form := b.get("/account/change")
	for _, kind := range []string{"", "cash", "bank' OR 1=1"} {
		b.submit(form, "main form", url.Values{"kind": {kind}}).shows(http.StatusUnprocessableEntity, "Where do you want your money to go?").
			has("#kind-error", "Error: Choose a bank account or a wallet")
		if s := b.htmx().submit(form, "main form", url.Values{"kind": {kind}}); s.status != http.StatusUnprocessableEntity || strings.Contains(s.body, "<html") {
			t.Errorf("htmx: status %d, not a fragment", s.status)
		}
	}
	bank := p.begun(t, "bank", "/account/change/bank", "", "")
	form = bank.get("/account/change/bank?q=green")
	for _, branch := range []string{"", "GREENVAL", "GREENVAL:003", "GREENVAL:999", "CLOSED:001", "PESAGO:001", "X:Y:Z"} {
		bank.submit(form, "#results form", url.Values{"branch": {branch}}).shows(http.StatusUnprocessableEntity, "Which bank branch holds your account?").
			has(".error-summary a", "Search for your branch and choose it from the list")
	}
	mobile := p.begun(t, "mobile_wallet", "/account/change/wallet", "", "")
	form = mobile.get("/account/change/wallet")
	for _, provider := range []string{"", "NOBODY", "MAILPAY", "GREENVAL"} {
		mobile.submit(form, "main form", url.Values{"provider": {provider}}).shows(http.StatusUnprocessableEntity, "Which mobile wallet do you use?")
	}
}

func TestSearch(t *testing.T) {
	p := newPortal(t)
	b := p.begun(t, "bank", "/account/change/bank", "", "")
	for _, test := range []struct{ query, heading, first string }{
		{"green", "2 branches found", "Green Valley Bank Harbour Port Marisol Code 002"},
		{"  SQUARE kitemba ", "1 branch found", "Green Valley Bank Market Square Kitemba Code 001"},
		{"closed", "No branch found", ""},
		{"old mill", "No branch found", ""},
		{"%", "No branch found", ""},
		{`"><script>`, "No branch found", ""},
		{"", "2 branches found", "Green Valley Bank Harbour Port Marisol Code 002"},
		{"habour gren", "1 branch found", "Green Valley Bank Harbour Port Marisol Code 002"},
		{"green kitemba nowhere", "No branch fits all you typed. These come nearest", "Green Valley Bank Market Square Kitemba Code 001"},
	} {
		q := "?q=" + url.QueryEscape(test.query)
		fragment := b.htmx().get("/directory/search" + q)
		for _, s := range []*screen{fragment, b.get("/directory/search" + q), b.get("/account/change/bank" + q)} {
			if s.status != http.StatusOK {
				t.Errorf("%s: status %d", s.path, s.status)
			}
			s.has("#results h2", test.heading).lacks("<script>")
			if got := firstFound(s); got != test.first {
				t.Errorf("%s: first is %q, want %q", s.path, got, test.first)
			}
		}
		if strings.Contains(fragment.body, "<html") || !varies(fragment) {
			t.Error("htmx did not get a fragment that says it varies")
		}
	}
	if s := b.htmx().get("/directory/search?q=" + strings.Repeat("a", 5000)); s.status != http.StatusOK {
		t.Errorf("a long search: status %d", s.status)
	}
}

// Letters stand for the logos of wallets, always in the same colour.
func TestWalletTiles(t *testing.T) {
	p := newPortal(t)
	want := map[string]string{"PesaGo": "PG", "Green Valley Money": "GV", "móvil": "M", "محفظة النيل": "ما", "42 Pay": "4P", "O'Neill": "ON", "--": ""}
	var providers []mapper.DFSP
	for name := range want {
		providers = append(providers, mapper.DFSP{Code: strconv.Itoa(len(providers)), Name: name, Kind: mapper.MobileWallet, Active: true})
	}
	if err := p.directory.Load(t.Context(), providers, nil); err != nil {
		t.Fatal(err)
	}
	s := p.begun(t, "mobile_wallet", "/account/change/wallet", "", "").get("/account/change/wallet")
	tiles := s.Find(".wallet")
	if tiles.Length() != len(want)+1 {
		t.Errorf("%d tiles", tiles.Length())
	}
	for _, tile := range tiles.EachIter() {
		name, shown := tile.Find(".pick-name").Text(), tile.Find(".monogram[aria-hidden=true][class*=tone-]").Text()
		if shown != want[name] {
			t.Errorf("%s is %q, want %q", name, shown, want[name])
		}
	}
}

// varies reports whether the answer says that it depends on who asks.
func varies(s *screen) bool {
	return strings.Contains(strings.Join(s.header.Values("Vary"), ","), "HX-Request")
}

// firstFound is the text of the first branch found.
func firstFound(s *screen) string {
	var parts []string
	for _, node := range s.Find("#results .pick").First().Find(".pick-text > span").EachIter() {
		parts = append(parts, strings.TrimSpace(node.Text()))
	}
	return strings.Join(parts, " ")
}

// open are the routes that need no login; every other one is tried without.
var open = map[string]bool{"GET /": true, "POST /language": true}

func TestNotSignedIn(t *testing.T) {
	p := newPortal(t)
	tried := 0
	for _, route := range p.engine.Routes() {
		if open[route.Method+" "+route.Path] || strings.HasPrefix(route.Path, "/auth/") {
			continue
		}
		tried++
		for _, user := range []*web.User{nil, &staff} {
			b := p.browser(t)
			if user != nil {
				b.logIn(*user)
			}
			home := b.get("/")
			token, _ := home.Find("[name=" + templates.FormTokenField + "]").Attr("value")
			form := url.Values{templates.FormTokenField: {token}}
			for name, s := range map[string]*screen{"page": b.send(route.Method, route.Path, form), "htmx": b.htmx().send(route.Method, route.Path, form)} {
				if s.status == http.StatusOK || s.status >= 500 || strings.Contains(s.body, "account-provider") {
					t.Errorf("%s %s as %s by %v: status %d", route.Method, route.Path, name, user, s.status)
				}
			}
		}
	}
	if tried < 20 {
		t.Errorf("only %d routes tried", tried)
	}
	s := p.browser(t).get("/account/history")
	if got := s.header.Get("Location"); got != "/auth/login/national-id?return=%2Faccount%2Fhistory" {
		t.Errorf("not signed in: status %d to %q", s.status, got)
	}
}

// No form is accepted from another site, or without the token of the session.
func TestCrossSite(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	check := b.toCheck("GREENVAL:001", "11112222")
	evil := &browser{t: t, portal: p, client: b.client, header: http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://evil.example"}}}
	token, _ := check.Find("main [name=" + templates.FormTokenField + "]").Attr("value")
	for _, route := range p.engine.Routes() {
		if route.Method != http.MethodPost {
			continue
		}
		for name, s := range map[string]*screen{
			"another site":    evil.send(http.MethodPost, route.Path, url.Values{templates.FormTokenField: {token}}),
			"no token":        b.send(http.MethodPost, route.Path, nil),
			"another's token": b.send(http.MethodPost, route.Path, url.Values{templates.FormTokenField: {"x" + token}}),
		} {
			s.shows(http.StatusForbidden, "We could not accept that")
			if s.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %s: may be cached", route.Path, name)
			}
		}
	}
	if got := p.stored(t, amina.ID); got.Code != mapper.IDNotFound {
		t.Errorf("stored %+v", got)
	}
	b.leadsTo(b.submit(check, "main form", nil), "/account/done").shows(http.StatusOK, "Your account is linked")
}

func TestHome(t *testing.T) {
	p := newPortal(t)
	s := p.browser(t).get("/").shows(http.StatusOK, "Choose where your benefits are paid").has("main .button", "Continue with National ID")
	if href, _ := s.Find("main .button").Attr("href"); href != "/auth/login/national-id" {
		t.Errorf("the button leads to %q", href)
	}
	p.signedIn(t, amina).get("/").has("main .button", "Go to your account").lacks(amina.ID)
}

func TestLanguage(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	account := b.get("/account")
	token, _ := account.Find("[name=" + templates.FormTokenField + "]").Attr("value")
	for back, want := range map[string]string{"/account": "/account", "https://evil.example/": "/", "//evil.example": "/", "": "/"} {
		s := b.send(http.MethodPost, "/language", url.Values{templates.FormTokenField: {token}, "language": {"en"}, "return_to": {back}})
		if got := s.header.Get("Location"); s.status != http.StatusSeeOther || got != want {
			t.Errorf("return to %q: status %d to %q, want %s", back, s.status, got, want)
		}
	}
	for _, choice := range i18n.Languages() {
		b.send(http.MethodPost, "/language", url.Values{templates.FormTokenField: {token}, "language": {choice.Code}, "return_to": {"/account"}})
		page := b.get("/account")
		html := page.Find("html")
		if html.AttrOr("lang", "") != choice.Tag || html.AttrOr("dir", "") != choice.Direction || page.header.Get("Content-Language") != choice.Tag {
			t.Errorf("%s: the page is lang=%q dir=%q, Content-Language %q", choice.Code, html.AttrOr("lang", ""), html.AttrOr("dir", ""), page.header.Get("Content-Language"))
		}
	}
}

func TestErrorPages(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	b.get("/nowhere").shows(http.StatusNotFound, "We cannot find this page")
	b.send(http.MethodDelete, "/account", nil).shows(http.StatusForbidden, "We could not accept that")
	token, _ := b.get("/account").Find("[name=" + templates.FormTokenField + "]").Attr("value")
	b.send(http.MethodPost, "/account/history", url.Values{templates.FormTokenField: {token}}).shows(http.StatusMethodNotAllowed, "This page cannot be used like that")
}

// In a directory of real size a person is led to the bank, then to the town, then through pages of branches. Every page
// stays light, and without scripts the way is the same.
func TestSearchLargeDirectory(t *testing.T) {
	p := newPortal(t)
	providers, branches := mappertest.IFSC(4000)
	if err := p.directory.Load(t.Context(), providers, branches); err != nil {
		t.Fatal(err)
	}
	b := p.begun(t, "bank", "/account/change/bank", "", "")
	follow := func(s *screen, selector string) *screen {
		t.Helper()
		href, ok := s.Find(selector).First().Attr("href")
		if !ok {
			t.Fatalf("%s has no %s: %s", s.path, selector, s.text("main"))
		}
		next := b.get(strings.TrimSuffix(href, "#results"))
		if next.status != http.StatusOK || len(next.body) > 15_000 {
			t.Errorf("%s: status %d, %d bytes", href, next.status, len(next.body))
		}
		t.Logf("%s: %d bytes", href, len(next.body))
		return next
	}
	s := b.get("/account/change/bank").has("#narrow-title", "Choose your bank")
	if n := s.Find("#results .narrow").Length(); n != 12 || s.Find("#results button").Length() > 0 {
		t.Errorf("at first %d banks are offered, beside %d branches", n, s.Find("#results button").Length())
	}
	s = b.get("/account/change/bank?q=state+bnak+of+india").has("#narrow-title", "Choose your bank")
	if got := s.Find("#results .narrow .pick-name").First().Text(); got != "State Bank of India" || s.Find("#results button").Length() > 0 {
		t.Errorf("offered first: %q, beside %d branches", got, s.Find("#results button").Length())
	}
	s = follow(s, "#results .narrow").has(".chosen strong", "State Bank of India").has("#narrow-title", "Choose your town")
	inBank := s.path
	s = follow(s, "#results .narrow")
	town := s.text(".chosen:nth-of-type(2) strong")
	if s.Find("#narrow-title").Length() > 0 || !strings.Contains(firstFound(s), town) {
		t.Errorf("in %s: %s", town, firstFound(s))
	}
	s = follow(b.get(inBank+"&q=road"), ".pager [rel=next]")
	if got := s.text(".pager .quiet"); !strings.HasPrefix(got, "11 to 20 of ") || s.Find("#results button").Length() != 10 || s.Find(".pager [rel=prev]").Length() != 1 {
		t.Errorf("the second page shows %s", got)
	}
	follow(s, ".pager [rel=prev]").has(".chosen strong", "State Bank of India")

	fragment := b.htmx().get("/directory/search?q=sbi+mumbai&bank=SBIN")
	if got := fragment.header.Get("Hx-Replace-Url"); got != "/account/change/bank?bank=SBIN&q=sbi+mumbai" {
		t.Errorf("the address becomes %q", got)
	}
	if got := fragment.text("[data-announce]"); !strings.HasSuffix(got, " branches found") {
		t.Errorf("announced %q", got)
	}
	for _, hostile := range []string{"bank=NONE", "bank=SBIN&town=nowhere", "page=-1", "page=99999999999999999999", "q=road&page=50", "bank=%00&q=%ff", "town=x"} {
		if s := b.get("/account/change/bank?" + hostile); s.status != http.StatusOK {
			t.Errorf("%s: status %d", hostile, s.status)
		}
	}
}
