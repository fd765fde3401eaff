package main

import (
	"os"
	"path/filepath"
)

// visit is somebody and what they can see.
type visit struct {
	name   string
	person string // of the demonstration; nobody is signed in if empty
	entry  string // the page that makes them sign in
	pages  []page
}

func visits() []visit {
	return []visit{
		{name: "nobody", pages: nobodysPages()},
		{name: "errors", pages: errorPages()},
		{"without an account", "amina-diallo", "/account", firstLinkPages()},
		{"with an account", "jose-nunez", "/account", linkedPages()},
		{"somebody was at the account", "kwame-mensah", "/account", reportedPages()},
		{"administrator", "ines-carvalho", "/admin", staffPages()},
		{"directory", "ines-carvalho", "/admin/directory", directoryPages()},
		{"auditor", "tomas-okafor", "/admin", []page{
			{name: "overview", path: "/admin"}, {name: "partner", path: "/admin/partners/PARTNER-A"},
			{name: "cases", path: "/admin/cases"}, {name: "may not", path: "/admin/partners/new"},
		}},
	}
}

func nobodysPages() []page {
	return []page{
		{name: "home", path: "/"}, {name: "staff sign in", path: "/admin/sign-in"},
		{name: "signed out", path: "/auth/signed-out"}, {name: "session ended", path: "/auth/session-ended"},
	}
}

func errorPages() []page {
	return []page{
		{name: "login cancelled", path: "/auth/failed/cancelled"}, {name: "login expired", path: "/auth/failed/expired"},
		{name: "login unavailable", path: "/auth/failed/unavailable"}, {name: "login refused", path: "/auth/failed/refused"},
		{name: "not found", path: "/nowhere"}, {name: "method", path: "/auth/logout"},
	}
}

func firstLinkPages() []page {
	return []page{
		{name: "account", path: "/account"}, {name: "history", path: "/account/history"}, {name: "lookups", path: "/account/lookups"},
		{name: "profile", path: "/auth/profile"}, {name: "home", path: "/"}, {name: "not for people", path: "/admin"},
		{name: "kind", path: "/account/change"},
		{name: "kind missing", path: "/account/change", way: submitted},
		{name: "mobile wallets", path: "/account/change/wallet", does: chooseKind("mobile_wallet")},
		{name: "mobile wallet details", path: "/account/change/wallet/details", does: pick("/account/change/wallet", ".wallet")},
		{name: "mobile wallet details wrong", path: "/account/change/wallet/details", way: typed("#mobile_number", "12")},
		{name: "e-mail wallets", path: "/account/change/email", does: chooseKind("email_wallet")},
		{name: "e-mail wallet details", path: "/account/change/email/details", does: pick("/account/change/email", ".wallet")},
		{name: "e-mail wallet details wrong", path: "/account/change/email/details", way: typed("#email_address", "amina@")},
		{name: "banks", path: "/account/change/bank", does: chooseKind("bank")},
		{name: "banks found", path: "/account/change/bank?q=kitemba"},
		{name: "no bank found", path: "/account/change/bank?q=xyzzy"},
		{name: "too many banks", path: "/account/change/bank?q=bank"},
		{name: "towns of a bank", path: "/account/change/bank?bank=SBIN"},
		{name: "bank details", path: "/account/change/bank/details", does: pick("/account/change/bank?q=kitemba+coop+baobab", "#results button")},
		{name: "bank details wrong", path: "/account/change/bank/details", way: typed("#account_number", "12")},
		{name: "check", path: "/account/check", does: func(v *visitor) {
			v.open("/account/change/bank/details")
			v.Type("#account_number", "00123456789")
			v.Click("main form button[type=submit]")
			v.Shows(".answers strong")
		}},
		{name: "linked", path: "/account/done", does: func(v *visitor) {
			v.open("/account/check")
			v.Click("main form button[type=submit]")
			v.Shows(".reference")
		}},
	}
}

func linkedPages() []page {
	return []page{
		{name: "account", path: "/account"}, {name: "history", path: "/account/history"},
		{name: "lookups", path: "/account/lookups", does: func(v *visitor) {
			v.asked("token:9902759143@nationalid")
		}},
		{name: "kind", path: "/account/change"},
		{name: "check", path: "/account/check", does: func(v *visitor) {
			chooseKind("mobile_wallet")(v)
			pick("/account/change/wallet", ".wallet")(v)
			v.Type("#mobile_number", "+12025550102")
			v.Click("main form button[type=submit]")
			v.Shows(".answers strong")
		}},
		{name: "changed", path: "/account/done", does: func(v *visitor) {
			v.open("/account/check")
			v.Click("main form button[type=submit]")
			v.Shows(".reference")
		}},
		{name: "remove", path: "/account/remove"},
		{name: "removed", path: "/account/done", does: func(v *visitor) {
			v.open("/account/remove")
			v.Click("main form button[type=submit]")
			v.Shows(".reference")
		}},
	}
}

func reportedPages() []page {
	path := ""
	notMe := func(v *visitor) string {
		if path == "" { // once it is reported, the history has no link to it
			v.open("/account/history")
			path = v.Attribute(".not-me a", "href")
		}
		return path
	}
	return []page{
		{name: "not me", at: notMe},
		{name: "case", path: "/account/case", does: func(v *visitor) {
			v.open(notMe(v))
			v.Click("main form button[type=submit]")
			v.Shows(".reference")
		}},
		{name: "not me again", at: notMe},
		{name: "account stopped", path: "/account"}, {name: "history", path: "/account/history"},
		{name: "kind", path: "/account/change"}, {name: "remove", path: "/account/remove"},
	}
}

func staffPages() []page {
	partner := func(rest string) string { return "/admin/partners/PARTNER-A" + rest }
	return []page{
		{name: "overview", path: "/admin"}, {name: "profile", path: "/auth/profile"}, {name: "partners", path: "/admin/partners"},
		{name: "partner", path: partner("")}, {name: "try", path: partner("/try")},
		{name: "try without", path: partner("/try"), way: func(v *visitor) {
			v.Type("#signature", "a..b")
			v.Type("#body", "{}")
			v.Click("main form button[type=submit]")
			v.Shows(".trial, .error-summary")
		}},
		{name: "new partner", path: "/admin/partners/new"},
		{name: "new partner wrong", path: "/admin/partners/new", way: submitted},
		{name: "certificate", path: "/admin/partners/LAKESIDE/certificate", does: func(v *visitor) {
			v.open("/admin/partners/new")
			v.Type("#name", "Lakeside Savings Bank")
			v.Type("#reference_id", "LAKESIDE")
			v.Click("main form button[type=submit]")
			v.Shows("#file")
		}},
		{name: "certificate missing", path: "/admin/partners/LAKESIDE/certificate", way: submitted},
		{name: "certificate to compare", path: "/admin/partners/LAKESIDE/certificate", way: func(v *visitor) {
			v.Choose("#file", v.bank.file("cert.pem"))
			v.Click("main form button[type=submit]")
			v.Shows(".fingerprint")
		}},
		{name: "settings", path: "/admin/partners/LAKESIDE/settings", does: func(v *visitor) {
			v.open("/admin/partners/LAKESIDE/certificate")
			v.Choose("#file", v.bank.file("cert.pem"))
			v.Click("main form button[type=submit]")
			v.Click("label[for=compared-1]")
			v.Click("main form button[type=submit]")
			v.Shows("[name=permissions]")
		}},
		{name: "activate", path: "/admin/partners/LAKESIDE/activate"}, {name: "discard", path: "/admin/partners/LAKESIDE/discard"},
		{name: "new partner so far", path: "/admin/partners/LAKESIDE"},
		{name: "suspended partner", path: "/admin/partners/PARTNER-B"},
		{name: "rotate", path: partner("/certificate")}, {name: "suspend", path: partner("/suspend")},
		{name: "settings of a partner", path: partner("/settings")},
		{name: "revoke", at: func(v *visitor) string {
			v.open(partner(""))
			return v.Attribute(".certificate a[href$=revoke]", "href")
		}},
		{name: "authorities", path: "/admin/trust-anchors"}, {name: "new authority", path: "/admin/trust-anchors/new"},
		{name: "new authority wrong", path: "/admin/trust-anchors/new", way: submitted},
		{name: "audit", path: "/admin/audit"}, {name: "audit of nothing", path: "/admin/audit?actor=nobody"},
		{name: "cases", path: "/admin/cases"},
		{name: "case", at: firstCase}, {name: "settle", at: func(v *visitor) string { return firstCase(v) + "/settle" }},
		{name: "settle wrong", at: func(v *visitor) string { return firstCase(v) + "/settle" }, way: submitted},
		{name: "notices", path: "/admin/notices"}, {name: "not found", path: "/admin/nowhere"},
	}
}

func firstCase(v *visitor) string {
	v.open("/admin/cases")
	return v.Attribute("main table a", "href")
}

func directoryPages() []page {
	bank, branch := "/admin/directory/providers/NBSOLV", "/admin/directory/providers/NBSOLV/branches/101001"
	strategy := func(v *visitor) string {
		v.open("/admin/directory/strategies")
		return v.Attribute("main table a", "href")
	}
	under := func(rest string) func(v *visitor) string {
		return func(v *visitor) string { return strategy(v) + rest }
	}
	return []page{
		{name: "directory", path: "/admin/directory"}, {name: "found", path: "/admin/directory?q=kitemba"}, {name: "nothing found", path: "/admin/directory?q=xyzzy"},
		{name: "bank", path: bank}, {name: "edit bank", path: bank + "/edit"}, {name: "close bank", path: bank + "/close"},
		{name: "new branch", path: bank + "/new-branch"}, {name: "new branch wrong", path: bank + "/new-branch", way: submitted},
		{name: "new provider", path: "/admin/directory/new-provider"}, {name: "new provider wrong", path: "/admin/directory/new-provider", way: submitted},
		{name: "branch", path: branch}, {name: "edit branch", path: branch + "/edit"}, {name: "close branch", path: branch + "/close"},
		{name: "strategies", path: "/admin/directory/strategies"}, {name: "strategy", at: strategy},
		{name: "edit strategy", at: under("/edit")}, {name: "close strategy", at: under("/close")},
		{name: "try strategy", at: under("/try")},
		{name: "try strategy wrong", at: under("/try"), way: func(v *visitor) {
			v.Type("#address", "nonsense")
			v.Click("main form button[value=apart]")
			v.Shows(".error-summary")
		}},
		{name: "new strategy", path: "/admin/directory/new-strategy"},
		{name: "new strategy wrong", path: "/admin/directory/new-strategy", way: submitted},
		{name: "import", path: "/admin/directory/import"}, {name: "import wrong", path: "/admin/directory/import", way: submitted},
		{name: "import preview", at: func(v *visitor) string {
			v.open("/admin/directory/import")
			v.Choose("#file", v.list)
			v.Click("main form button[type=submit]")
			v.Shows("form[action$=discard]")
			return v.Path()
		}},
		{name: "import done", at: func(v *visitor) string {
			v.Click("main form:not([action$=discard]) button")
			v.Shows("main a.button[href='/admin/directory']")
			return v.Path()
		}},
	}
}

func (v *visitor) open(path string) { v.Visit(v.demo.banner.BaseURL + path) }

// submitted sends the form with nothing in it.
func submitted(v *visitor) {
	v.Click("main form button[type=submit]")
	v.Shows(".error-summary")
}

func typed(field, text string) func(v *visitor) {
	return func(v *visitor) {
		v.Type(field, text)
		submitted(v)
	}
}

func chooseKind(kind string) func(v *visitor) {
	return func(v *visitor) {
		v.open("/account/change")
		v.Click(".choice:has([value=" + kind + "]) label")
		v.Click("main form button[type=submit]")
		v.Shows("#q, .wallet")
	}
}

func pick(path, selector string) func(v *visitor) {
	return func(v *visitor) {
		v.open(path)
		v.Click(selector)
		v.Shows("main form .field")
	}
}

// branchList is a list to import: a branch that is there, a new one, and one to correct.
func branchList(dir string) (string, error) {
	path := filepath.Join(dir, "branches.csv")
	return path, os.WriteFile(path, []byte("bank_code;branch_code;name;town\nNBSOLV;101001;Market Arcade;Solvenna City\nNBSOLV;900;Lighthouse;Port Marisol\nNBSOLV;9 1;Typo;\n"), 0o600)
}
