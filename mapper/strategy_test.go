package mapper_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/mapper"
	"spar/migrations/dbtest"
)

func TestStrategiesOfAFreshDatabase(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		var rows []mapper.Strategy
		if err := db.Select(&rows, `SELECT name, kind, construct, deconstruct, active FROM strategies`); err != nil {
			t.Fatal(err)
		}
		if len(rows) != 6 {
			t.Errorf("%d strategies, want 6", len(rows))
		}
		for _, s := range rows {
			if err := mapper.Compile(s); err != nil || !s.Active {
				t.Errorf("strategy %q: active %v, %v", s.Name, s.Active, err)
			}
		}
	})
}

func TestDeconstruct(t *testing.T) {
	strategies := mapper.NewStrategies(dbtest.SQLite(t), time.Now)
	for fa, want := range map[string]mapper.Account{
		"account:12-34@001.ALPHA.bank_acc":                       {Kind: mapper.Bank, DFSP: "ALPHA", Branch: "001", Number: "12-34", StrategyName: "bank"},
		"ACCOUNT:12@001.alpha.Bank_Acc":                          {Kind: mapper.Bank, DFSP: "alpha", Branch: "001", Number: "12", StrategyName: "bank"},
		"mobile:+15550100123@GAMMA.mobile_wallet":                {Kind: mapper.MobileWallet, DFSP: "GAMMA", Number: "+15550100123", StrategyName: "mobile wallet"},
		"email:jo.o'brien+x@mail.example.org@DELTA.email_wallet": {Kind: mapper.EmailWallet, DFSP: "DELTA", Number: "jo.o'brien+x@mail.example.org", StrategyName: "email wallet"},
		"account_number:1.2.branch_name:St. Mary.branch_code:b1.bank_name:First Bank.bank_code:FB.fa_type:BANK_ACCOUNT": {Kind: mapper.Bank, DFSP: "FB", DFSPName: "First Bank", Branch: "b1", Number: "1.2", StrategyName: "OpenG2P bank"},
		"mobile_number:077.wallet_provider_name:W.wallet_provider_code:WP.fa_type:MOBILE_WALLET":                        {Kind: mapper.MobileWallet, DFSP: "WP", DFSPName: "W", Number: "077", StrategyName: "OpenG2P phone"},
		"email_address:a@b.c.wallet_provider_name:W.wallet_provider_code:WP.fa_type:EMAIL_WALLET":                       {Kind: mapper.EmailWallet, DFSP: "WP", DFSPName: "W", Number: "a@b.c", StrategyName: "OpenG2P email"},
	} {
		got, err := strategies.Deconstruct(t.Context(), fa)
		if err != nil || got != want {
			t.Errorf("Deconstruct(%q) = %+v, %v; want %+v", fa, got, err, want)
		}
	}
	for _, fa := range []string{
		"account_number:1.branch_name:a.branch_code:x.branch_code:b1.bank_name:n.bank_code:FB.fa_type:B", // ambiguous
		"account:1@2@3.A.bank_acc", "account:1@001.A.bank_acc.x", "xaccount:1@001.A.bank_acc", "account:1@001.A.B.bank_acc",
	} {
		if got, err := strategies.Deconstruct(t.Context(), fa); err == nil {
			t.Errorf("Deconstruct(%q) = %+v, want an error", fa, got)
		}
	}
}

func TestConstruct(t *testing.T) {
	strategies := mapper.NewStrategies(dbtest.SQLite(t), time.Now)
	openG2P := map[string]string{
		"account_number": "123", "branch_code": "001", "branch_name": "Main", "bank_code": "ALPHA", "bank_name": "Alpha", "fa_type": "BANK_ACCOUNT",
	}
	for _, test := range []struct {
		kind       mapper.Kind
		strategy   string
		attributes map[string]string
		want       string
	}{
		{mapper.Bank, "", map[string]string{"account_number": "123", "branch_code": "001", "bank_code": "ALPHA"}, "account:123@001.ALPHA.bank_acc"},
		{mapper.MobileWallet, "", map[string]string{"mobile_number": "+15550100123", "provider_code": "G"}, "mobile:+15550100123@G.mobile_wallet"},
		{mapper.EmailWallet, "", map[string]string{"email_address": "a@b.c", "provider_code": "G"}, "email:a@b.c@G.email_wallet"},
		{mapper.Bank, "", map[string]string{"account_number": "1@2", "branch_code": "001", "bank_code": "ALPHA"}, ""},
		{mapper.Bank, "", map[string]string{"account_number": "1", "branch_code": "001.X", "bank_code": "ALPHA"}, ""},
		{mapper.Bank, "", map[string]string{"account_number": "", "branch_code": "001", "bank_code": "ALPHA"}, ""},
		{mapper.Bank, "", map[string]string{"account_number": "1", "bank_code": "ALPHA"}, ""},
		{mapper.MobileWallet, "", map[string]string{"account_number": "1", "branch_code": "001", "bank_code": "ALPHA"}, ""},
		{mapper.Bank, "OpenG2P bank", openG2P, "account_number:123.branch_name:Main.branch_code:001.bank_name:Alpha.bank_code:ALPHA.fa_type:BANK_ACCOUNT"},
		{mapper.Bank, "", openG2P, "account:123@001.ALPHA.bank_acc"},
		{mapper.Bank, "OpenG2P phone", openG2P, "account:123@001.ALPHA.bank_acc"}, // of another kind, and one that is not there: as if none was named
		{mapper.Bank, "nothing", openG2P, "account:123@001.ALPHA.bank_acc"},
		{"gold", "", openG2P, ""},
	} {
		got, err := strategies.Construct(t.Context(), mapper.DFSP{Kind: test.kind, Strategy: test.strategy}, test.attributes)
		if got != test.want || (err == nil) == (test.want == "") {
			t.Errorf("Construct(%s, %q, %v) = %q, %v; want %q", test.kind, test.strategy, test.attributes, got, err, test.want)
		}
	}
}

func TestCompileRefusesWhatIsNoInverse(t *testing.T) {
	good := mapper.Strategy{Name: "s", Kind: mapper.Bank, Construct: "a:{account_number}@{bank_code}", Deconstruct: `^a:(?P<account_number>[0-9]+)@(?P<bank_code>[A-Z]+)$`}
	if err := mapper.Compile(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(s *mapper.Strategy){
		"kind":                  func(s *mapper.Strategy) { s.Kind = "gold" },
		"open template":         func(s *mapper.Strategy) { s.Construct = "a:{account_number@{bank_code}" },
		"template without text": func(s *mapper.Strategy) { s.Construct = "{account_number}{bank_code}" },
		"attribute twice":       func(s *mapper.Strategy) { s.Construct = "a:{account_number}@{account_number}" },
		"no provider": func(s *mapper.Strategy) {
			s.Construct, s.Deconstruct = "a:{account_number}", `^a:(?P<account_number>[0-9]+)$`
		},
		"bad pattern":          func(s *mapper.Strategy) { s.Deconstruct = `^a:(?P<account_number>[0-9+)@` },
		"pattern not anchored": func(s *mapper.Strategy) { s.Deconstruct = strings.Trim(s.Deconstruct, "^$") },
		"other text":           func(s *mapper.Strategy) { s.Deconstruct = strings.Replace(s.Deconstruct, "@", "#", 1) },
		"other attribute": func(s *mapper.Strategy) {
			s.Construct = strings.Replace(s.Construct, "account_number", "mobile_number", 1)
		},
		"attributes swapped":       func(s *mapper.Strategy) { s.Construct = "a:{bank_code}@{account_number}" },
		"unnamed group":            func(s *mapper.Strategy) { s.Deconstruct = `^a:([0-9]+)@(?P<bank_code>[A-Z]+)$` },
		"separator in both values": func(s *mapper.Strategy) { s.Deconstruct = `^a:(?P<account_number>[0-9@]+)@(?P<bank_code>[A-Z@]+)$` },
		"anything goes":            func(s *mapper.Strategy) { s.Deconstruct = `^a:(?P<account_number>.*)@(?P<bank_code>.*)$` },
	} {
		s := good
		change(&s)
		if err := mapper.Compile(s); err == nil {
			t.Errorf("%s: Compile(%q, %q) succeeded", name, s.Construct, s.Deconstruct)
		}
	}
}

// FuzzFinancialAddress: what is taken apart and put together again is the same address.
func FuzzFinancialAddress(f *testing.F) {
	for _, fa := range []string{"account:12@001.A.bank_acc", "mobile:+1@G.mobile_wallet", "email:a@b@c.email_wallet", "account_number:1.branch_name:.branch_code:b.bank_name:.bank_code:c.fa_type:d"} {
		f.Add(fa)
	}
	strategies := mapper.NewStrategies(dbtest.SQLite(f), time.Now)
	f.Fuzz(func(t *testing.T, fa string) {
		account, err := strategies.Deconstruct(t.Context(), fa)
		if err != nil {
			return
		}
		if account.DFSP == "" || account.Number == "" || account.Kind == "" {
			t.Fatalf("Deconstruct(%q) = %+v", fa, account)
		}
		var again string
		switch account.StrategyName {
		case "bank":
			again, err = strategies.Construct(t.Context(), mapper.DFSP{Kind: account.Kind}, map[string]string{"account_number": account.Number, "branch_code": account.Branch, "bank_code": account.DFSP})
		case "mobile wallet":
			again, err = strategies.Construct(t.Context(), mapper.DFSP{Kind: account.Kind}, map[string]string{"mobile_number": account.Number, "provider_code": account.DFSP})
		case "email wallet":
			again, err = strategies.Construct(t.Context(), mapper.DFSP{Kind: account.Kind}, map[string]string{"email_address": account.Number, "provider_code": account.DFSP})
		default:
			return
		}
		if err != nil || !strings.EqualFold(again, fa) {
			t.Fatalf("%q taken apart is %+v and put together %q, %v", fa, account, again, err)
		}
	})
}

// FuzzID: an accepted ID is plain, short, and says its provider.
func FuzzID(f *testing.F) {
	for _, id := range []string{"token:1@n", "1@n", "a:b:c@n", "@n", "t:1@"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, value string) {
		id, err := mapper.ParseID(value)
		if err != nil {
			if strings.Contains(err.Error(), value) && len(value) > 8 {
				t.Fatalf("the error repeats the value: %v", err)
			}
			return
		}
		if string(id) != value || strings.Count(value, "@") != 1 || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Fatalf("accepted %q", value)
		}
	})
}
