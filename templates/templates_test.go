package templates_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/a-h/templ"

	"spar/templates"
)

var (
	ours     = templates.Brand{Name: "Social Payments Account Registry", ShortName: "Social Payments Account", Title: "Social Payments Account"}
	signedIn = templates.Page{Brand: ours, Title: "A page", SignedIn: true, FormToken: "token-1"}
	card     = templates.AccountCard{Icon: "bank", Kind: "Bank account", Provider: "Green Valley Bank", Branch: "Market Square, Laguna",
		Number: templates.Masked{Shown: "•••• 6789", Spoken: "ending in 6789"}}
	wallet = templates.AccountCard{Icon: "mobile_wallet", Kind: "Mobile wallet", Provider: "PesaGo",
		Number: templates.Masked{Shown: "•••• 4455", Spoken: "ending in 4455"}}
	options = []templates.KindOption{
		{Value: "bank", Label: "Bank account", Hint: "You need the name of the bank, the branch and your account number", Icon: "bank", Checked: true},
		{Value: "mobile_wallet", Label: "Mobile wallet", Hint: "You need the phone number of the wallet", Icon: "mobile_wallet"},
		{Value: "email_wallet", Label: "E-mail wallet", Hint: "You need the e-mail address of the wallet", Icon: "email_wallet"},
	}
	branches = templates.BranchResults{FormToken: "token-1", Heading: "2 branches found", Choices: []templates.BranchChoice{
		{Value: "GVB:001", Name: "Green Valley Bank", Branch: "Market Square", Place: "Laguna · code 001"},
		{Value: "GVB:002", Name: "Green Valley Bank", Branch: "Harbour", Place: "Batangas · code 002"},
	}}
	field = templates.Field{Name: "account_number", Label: "Account number", Hint: "4 to 34 letters and digits.", Type: "text",
		InputMode: "text", Autocomplete: "off", Direction: "ltr"}
	rows = []templates.Row{
		{Key: "Kind of account", Value: "Bank account", ChangeHref: "/account/change", ChangeWhat: "kind of account"},
		{Key: "Bank", Value: "Green Valley Bank", ChangeHref: "/account/change/bank", ChangeWhat: "bank"},
		{Key: "Branch", Value: "Market Square, Laguna", Detail: "Code 001"},
		{Key: "Account number", Value: "AB123456789", Strong: true, ChangeHref: "/account/change/bank/details", ChangeWhat: "number"},
	}
)

func page(section templates.Section) templates.Page {
	p := signedIn
	p.Section = section
	return p
}

// pages draws every page in its main states.
func pages() map[string]templ.Component {
	wrongField := field
	wrongField.Value, wrongField.Error = "12", "Enter an account number with 4 to 34 letters and digits"
	held := &templates.HeldChange{
		Change: "0193a5c2-7d10-7c41-9b39-0242ac120004", Heading: "A change of your account is waiting", From: "From 24 November 2026, 14:05 your money goes here:",
		Card: wallet, Until: "Until then your money goes to the account above.", Asked: "You asked for this on 22 November 2026, 14:05.", Stop: "Keep my current account",
	}
	return map[string]templ.Component{
		"home": templates.HomePage(templates.HomeView{Page: templates.Page{Title: "Choose where your benefits are paid", FormToken: "token-1"},
			Logins: []templates.LoginButton{{Label: "Continue with National ID", Href: "/auth/login/national-id"}}}),
		"home-signed-in": templates.HomePage(templates.HomeView{Page: signedIn}),
		"account": templates.AccountPage(templates.AccountView{Page: page(templates.Account), Linked: true, Card: card,
			Since: "Since 24 November 2026"}),
		"account-none":     templates.AccountPage(templates.AccountView{Page: page(templates.Account)}),
		"account-inactive": templates.AccountPage(templates.AccountView{Page: page(templates.Account), Linked: true, Inactive: true, Card: wallet}),
		"kind":             templates.KindPage(templates.KindView{Page: page(templates.Account), Changing: true, Current: card, Options: options}),
		"kind-wrong":       templates.KindPage(templates.KindView{Page: page(templates.Account), Options: options, Problem: "Choose a bank account or a wallet"}),
		"bank":             templates.BankPage(templates.BankView{Page: page(templates.Account), Query: "green", Results: branches}),
		"bank-wrong":       templates.BankPage(templates.BankView{Page: page(templates.Account), Problem: "Search for your branch"}),
		"wallet": templates.WalletPage(templates.WalletView{Page: page(templates.Account), Heading: "Which mobile wallet do you use?",
			Action:    "/account/change/wallet",
			Providers: []templates.ProviderChoice{{Code: "PG", Name: "PesaGo", Initials: "PG", Tone: "tone-1"}, {Code: "SK", Name: "SikaKash", Initials: "SK", Tone: "tone-2"}, {Code: "LW", Name: "LuntianWallet Pilipinas", Initials: "LW", Tone: "tone-3"}}}),
		"wallet-wrong": templates.WalletPage(templates.WalletView{Page: page(templates.Account), Heading: "Which mobile wallet do you use?",
			Action: "/account/change/wallet", Problem: "Choose your wallet from the list"}),
		"details": templates.DetailsPage(templates.DetailsView{Page: page(templates.Account), Heading: "What is your account number?",
			Action: "/account/change/bank/details", ChooseHref: "/account/change/bank", Icon: "bank", Provider: "Green Valley Bank",
			Branch: "Market Square, Laguna", Field: field}),
		"details-wrong": templates.DetailsPage(templates.DetailsView{Page: page(templates.Account), Heading: "What is your account number?",
			Action: "/account/change/bank/details", ChooseHref: "/account/change/bank", Icon: "bank", Provider: "Green Valley Bank",
			Branch: "Market Square, Laguna", Field: wrongField}),
		"check": templates.CheckPage(templates.CheckView{Page: page(templates.Account), Changing: true, Current: wallet,
			BackHref: "/account/change/bank/details", Rows: rows}),
		"done": templates.DonePage(templates.DoneView{Page: page(templates.Account), Heading: "Your account is linked",
			Reference: "0193a5c2-7d10-7c41-9b39-0242ac120002", When: "24 November 2026, 14:05", Card: card}),
		"removed": templates.DonePage(templates.DoneView{Page: page(templates.Account), Heading: "Your account is removed",
			Reference: "0193a5c2-7d10-7c41-9b39-0242ac120002", When: "24 November 2026, 14:05", Removed: true}),
		"account-waiting":      templates.AccountPage(templates.AccountView{Page: page(templates.Account), Linked: true, Card: card, Since: "Since 2 March 2026", Waiting: held}),
		"account-waiting-none": templates.AccountPage(templates.AccountView{Page: page(templates.Account), Waiting: held}),
		"keep":                 templates.KeepPage(templates.KeepView{Page: page(templates.Account), Heading: "Do you want to keep your current account?", Linked: true, Current: card, Waiting: held}),
		"check-held": templates.CheckPage(templates.CheckView{Page: page(templates.Account), Changing: true, Current: card,
			BackHref: "/account/change/bank/details", Rows: rows, Consent: "By confirming, you agree.", Held: "This change waits until 24 November 2026, 14:05.", Waiting: held}),
		"done-held": templates.DonePage(templates.DoneView{Page: page(templates.Account), Heading: "Your change is waiting",
			Reference: "0193a5c2-7d10-7c41-9b39-0242ac120002", When: "22 November 2026, 14:05", Card: wallet, Held: "From 24 November 2026, 14:05 your money goes to this account.", Stop: "Keep my current account"}),
		"done-kept": templates.DonePage(templates.DoneView{Page: page(templates.Account), Heading: "The change is stopped",
			Reference: "0193a5c2-7d10-7c41-9b39-0242ac120002", When: "22 November 2026, 14:05", Card: card, Kept: true}),
		"remove-waiting": templates.RemovePage(templates.RemoveView{Page: page(templates.Account), Card: card, State: "1764000000000", Waiting: held, Held: "An account that you link is used only from 24 November 2026, 14:05."}),
		"remove":         templates.RemovePage(templates.RemoveView{Page: page(templates.Account), Card: card, State: "1764000000000"}),
		"history": templates.HistoryPage(templates.HistoryView{Page: page(templates.History), Entries: []templates.HistoryEntry{
			{Icon: "clock", What: "Another account asked for", Account: "Mobile wallet, PesaGo", Number: wallet.Number, When: "24 November 2026, 14:05",
				Time: "2026-11-24T14:05:00Z", By: "by you", Note: "Waits until 26 November 2026, 14:05.", Stop: "Keep my current account", Reference: "0193a5c2-7d10-7c41-9b39-0242ac120004"},
			{Icon: "remove", What: "Account removed", Account: "Mobile wallet, PesaGo", Number: wallet.Number, When: "24 November 2026, 14:05",
				Time: "2026-11-24T14:05:00Z", By: "by you", Reference: "0193a5c2-7d10-7c41-9b39-0242ac120003"},
			{Icon: "link", What: "Account linked", Account: "Bank account, Green Valley Bank", Number: card.Number, When: "2 March 2026, 09:12",
				Time: "2026-03-02T09:12:00Z", By: "by Green Valley Bank", Reference: "0193a5c2-7d10-7c41-9b39-0242ac120002"},
		}, More: "Only the latest 100 changes are listed here."}),
		"history-none": templates.HistoryPage(templates.HistoryView{Page: page(templates.History)}),
		"lookups": templates.LookupsPage(templates.LookupsView{Page: page(templates.Lookups), Months: []templates.LookupMonth{
			{Heading: "November 2026", Entries: []templates.LookupEntry{{What: "Ministry of Health Payments looked up your account 3 times on 12 November 2026",
				When: "The last time: 12 November 2026, 14:05", Time: "2026-11-12T14:05:00Z"}}},
		}, Pages: templates.Pages{Newer: "/account/lookups?page=1", Place: "Page 2 of 3", Older: "/account/lookups?page=3"},
			More: "Only the latest 1,000 entries are listed here.", Kept: "We keep each entry for 400 days."}),
		"lookups-none": templates.LookupsPage(templates.LookupsView{Page: page(templates.Lookups), Kept: "We keep each entry for 400 days."}),
		"profile": templates.ProfilePage(templates.ProfileView{Page: page(templates.Profile), Rows: []templates.Row{
			{Key: "Name", Value: "Amina Reyes"}, {Key: "ID", Value: "•••• 4821"}}}),
		"error": templates.ErrorPage(templates.ErrorView{Page: templates.Page{Title: "Sorry", FormToken: "token-1"}, Heading: "Sorry, something went wrong",
			Paragraphs: []string{"The fault is ours, and nothing was changed."}, ActionLabel: "Go to the start", ActionHref: "/", Support: "7GQ2"}),
	}
}

func draw(t *testing.T, component templ.Component) (*goquery.Document, string) {
	t.Helper()
	var b bytes.Buffer
	if err := component.Render(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	document, err := goquery.NewDocumentFromReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	return document, text
}

// Every page keeps to the rules that screen readers, the content security policy and plain browsers rely on.
func TestPages(t *testing.T) {
	for name, component := range pages() {
		t.Run(name, func(t *testing.T) {
			d, _ := draw(t, component)
			if n := d.Find("h1").Length(); n != 1 {
				t.Errorf("%d h1 headings, want 1", n)
			}
			for _, forbidden := range []string{"[style]", "style", "script:not([src])", "[onclick]", "[onsubmit]", "[hx-on]", "[hx-boost]"} {
				if found := d.Find(forbidden); found.Length() != 0 {
					t.Errorf("%s is against the content security policy or our habits", forbidden)
				}
			}
			seen := map[string]bool{}
			d.Find("[id]").Each(func(_ int, s *goquery.Selection) {
				id, _ := s.Attr("id")
				if seen[id] {
					t.Errorf("id %q is there twice", id)
				}
				seen[id] = true
			})
			d.Find("[aria-describedby], [aria-labelledby], label[for], a[href^='#'], [hx-target^='#']").Each(func(_ int, s *goquery.Selection) {
				for _, attribute := range []string{"aria-describedby", "aria-labelledby", "for", "href", "hx-target"} {
					value, _ := s.Attr(attribute)
					if attribute == "href" && !strings.HasPrefix(value, "#") || value == "this" {
						continue
					}
					for id := range strings.FieldsSeq(value) {
						if !seen[strings.TrimPrefix(id, "#")] {
							t.Errorf("%s=%q points nowhere", attribute, value)
						}
					}
				}
			})
			d.Find("input:not([type=hidden])").Each(func(_ int, s *goquery.Selection) {
				id, _ := s.Attr("id")
				if id == "" || d.Find("label[for='"+id+"']").Length() != 1 {
					t.Errorf("input %q has no label", id)
				}
			})
			d.Find("form[method=post]").Each(func(_ int, s *goquery.Selection) {
				if token, _ := s.Find("input[name=" + templates.FormTokenField + "]").Attr("value"); token != "token-1" {
					t.Error("a form that posts has no form token")
				}
			})
			d.Find("form").Each(func(_ int, s *goquery.Selection) {
				if action, _ := s.Attr("action"); action == "" || s.Find("button[type=submit]").Length() == 0 {
					t.Error("a form does not work without scripts")
				}
			})
		})
	}
}

func TestErrorsAreSummarisedAndTied(t *testing.T) {
	d, _ := draw(t, pages()["details-wrong"])
	if href, _ := d.Find(".error-summary a").Attr("href"); href != "#account_number" {
		t.Errorf("the summary leads to %q", href)
	}
	input := d.Find("#account_number")
	if value, _ := input.Attr("value"); value != "12" {
		t.Errorf("the value typed is %q, want it kept", value)
	}
	if described, _ := input.Attr("aria-describedby"); described != "account_number-hint account_number-error" {
		t.Errorf("the input is described by %q", described)
	}
	if invalid, _ := input.Attr("aria-invalid"); invalid != "true" {
		t.Error("the input is not marked invalid")
	}
}

func TestInputIsEscaped(t *testing.T) {
	hostile := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	_, text := draw(t, templates.AccountPage(templates.AccountView{Page: templates.Page{Title: hostile, SignedIn: true, Flash: hostile}, Linked: true,
		Card: templates.AccountCard{Provider: hostile, Branch: hostile, Number: templates.Masked{Shown: hostile}}}))
	if strings.Contains(text, "<script>alert") || strings.Contains(text, "<img src=x") {
		t.Error("markup in a name got into the page")
	}
}
