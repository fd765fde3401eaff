package finder_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"spar/mapper/finder"
)

var banks = []finder.Bank{
	{Code: "SBIN", Name: "State Bank of India", Active: true}, {Code: "PUNB", Name: "Punjab National Bank", Active: true},
	{Code: "BKID", Name: "Bank of India", Active: true}, {Code: "HDFC", Name: "HDFC Bank", Active: true}, {Code: "ABHY", Name: "Abhyudaya Co-op Bank Ltd", Active: true},
	{Code: "CELA", Name: "Crédit Élan", Active: true}, {Code: "GONE", Name: "Gone Bank"}, {Code: "MIZU", Name: "みずほ銀行", Active: true}, {Code: "NILE", Name: "بنك النيل", Active: true},
	{Code: "GANG", Name: "गंगा ग्रामीण बैंक", Active: true},
}

func branchesToFind() []finder.Branch {
	var list []finder.Branch
	add := func(bank, code, name, town, area, address string) {
		list = append(list, finder.Branch{Bank: bank, Code: code, Name: name, Town: town, Area: area, Address: address, Active: !strings.HasPrefix(name, "CLOSED")})
	}
	add("SBIN", "SBIN0001001", "ANDHERI (EAST)", "MUMBAI", "GREATER MUMBAI, MAHARASHTRA", "12 STATION ROAD, MUMBAI-400069")
	add("SBIN", "SBIN0001002", "ANDHERI WEST", "MUMBAI", "GREATER MUMBAI, MAHARASHTRA", "S.V. ROAD, ANDHERI (W)")
	add("SBIN", "SBIN0001003", "FORT", "MUMBAI", "GREATER MUMBAI, MAHARASHTRA", "NEAR ANDHERI BUS DEPOT")
	add("SBIN", "SBIN0001004", "KAROL BAGH", "NEW DELHI", "CENTRAL DELHI, DELHI", "AJMAL KHAN ROAD")
	add("SBIN", "SBIN0001234", "LUCKNOW MAIN", "LUCKNOW", "LUCKNOW, UTTAR PRADESH", "HAZRATGANJ")
	add("PUNB", "PUNB0001001", "DELHI, CHANDNI CHOWK", "DELHI", "DELHI, DELHI", "OPP. RED FORT")
	add("PUNB", "PUNB0002345", "ANDHERI", "MUMBAI", "GREATER MUMBAI, MAHARASHTRA", "")
	add("BKID", "BKID0000007", "DELHI MAIN", "NEW DELHI", "NEW DELHI, DELHI", "")
	add("HDFC", "HDFC0000001", "KOLKATA SALT LAKE", "KOLKATA", "KOLKATA, WEST BENGAL", "SECTOR V")
	add("HDFC", "HDFC0000002", "CLOSED SALT LAKE", "KOLKATA", "KOLKATA, WEST BENGAL", "")
	add("ABHY", "ABHY0065070", "M. G. ROAD", "PUNE", "PUNE, MAHARASHTRA", "BLDG NO 7")
	add("ABHY", "ABHY0065116", "C.A. ROAD", "NAGPUR", "NAGPUR, MAHARASHTRA", "ST. JOHN'S SCHOOL")
	add("CELA", "CELA01", "Marché d’Orsay", "Saint-Étienne", "Loire", "")
	add("GONE", "GONE0000001", "MAIN", "MUMBAI", "", "")
	add("MIZU", "001", "東京営業部", "千代田区", "東京都", "")
	add("NILE", "77", "فرع أسوان", "أسوان", "", "")
	add("GANG", "GANG0000001", "लखनऊ मुख्य शाखा", "लखनऊ", "उत्तर प्रदेश", "")
	return list
}

// What people type, and the branches that must come first, in this order.
func TestFind(t *testing.T) {
	x := build(t, banks, branchesToFind())
	for _, test := range []struct {
		text, first string
		total       int
	}{
		{"SBIN0001234", "SBIN0001234", 1},
		{"sbin0001234 ", "SBIN0001234", 1},
		{"ifsc code SBIN0001234", "SBIN0001234", 1},
		{"SBIN 0001234", "SBIN0001234", 1},
		{"sbin00010", "SBIN0001003 SBIN0001001 SBIN0001002 SBIN0001004", 4},
		{"001234", "SBIN0001234", 1}, // as a passbook prints it
		{"sbi mumbai andheri", "SBIN0001001 SBIN0001002 SBIN0001003", 3},
		{"andheri", "PUNB0002345 SBIN0001001 SBIN0001002 SBIN0001003", 4}, // the shortest name first, an address last
		{"Mumbai ANDHERI state", "SBIN0001001 SBIN0001002 SBIN0001003", 3},
		{"state bnak of india andhri", "SBIN0001001 SBIN0001002 SBIN0001003", 3},
		{"punjab natl bank delhi", "PUNB0001001", 1},
		{"pnb delhi", "PUNB0001001", 1},
		{"boi delhi", "BKID0000007", 1},
		{"punjab national bank del", "PUNB0001001", 1}, // still typing
		{"punj delh", "PUNB0001001", 1},
		{"delih chandni", "PUNB0001001", 1}, // two letters exchanged
		{"newdelhi", "BKID0000007 SBIN0001004", 2},
		{"new delhi main", "BKID0000007", 1},
		{"andheri east", "SBIN0001001", 1},
		{"andheri branch east", "SBIN0001001", 1},
		{"mg road pune", "ABHY0065070", 1},
		{"m g road pune", "ABHY0065070", 1},
		{"ca road", "ABHY0065116", 1},
		{"abhyudaya coop pune", "ABHY0065070", 1},
		{"abhyudaya cooperative nagpur", "ABHY0065116", 1},
		{"saint johns school", "ABHY0065116", 1},
		{"400069", "SBIN0001001", 1},
		{"maharashtra salt", "HDFC0000001", 1}, // nothing has both: the rarer word counts
		{"salt lake qwertyuiop", "HDFC0000001", 1},
		{"credit elan", "CELA01", 1},
		{"CRÉDIT étienne", "CELA01", 1},
		{"marche dorsay", "CELA01", 1},
		{"みずほ", "001", 1},
		{"東京", "001", 1},
		{"営業", "001", 1},
		{"اسوان", "77", 1},
		{"بَنْك النيل", "77", 1},
		{"लखनऊ शाखा", "GANG0000001", 1},
		{"closed", "", 0},
		{"gone", "", 0},
		{"qwertyuiop", "", 0},
	} {
		found := x.Find(finder.Query{Text: test.text, Limit: 10})
		var codes []string
		for _, p := range found.Branches {
			codes = append(codes, p.Code)
		}
		if got := strings.Join(codes, " "); !strings.HasPrefix(got, test.first) || found.Total != test.total {
			t.Errorf("%q: %d found: %s; want %d: %s", test.text, found.Total, got, test.total, test.first)
		}
	}
}

func TestFindNarrower(t *testing.T) {
	x := build(t, banks, branchesToFind())
	all := x.Find(finder.Query{Limit: 5})
	if all.Total != 15 || len(all.Branches) != 5 || all.Banks[0].Code != "SBIN" || all.Counts[0] != 5 {
		t.Errorf("nothing typed: %+v", all)
	}
	if found := x.Find(finder.Query{Text: "state bank", Limit: 5}); !found.NamesBank || found.Banks[0].Code != "SBIN" || found.Counts[0] != 5 {
		t.Errorf("a bank's name: %+v", found)
	}
	if found := x.Find(finder.Query{Text: "state bank mumbai", Limit: 5}); found.NamesBank || found.Total != 3 || len(found.Banks) != 1 {
		t.Errorf("a bank's name and a town: %+v", found)
	}
	if found := x.Find(finder.Query{Bank: "sbin", Limit: 5}); found.Total != 5 || found.Towns[0] != (finder.Town{Name: "MUMBAI", Branches: 3}) || len(found.Towns) != 3 {
		t.Errorf("a bank: %+v", found)
	}
	if found := x.Find(finder.Query{Bank: "SBIN", Town: "mumbai", Text: "fort", Limit: 5}); found.Total != 1 || found.Branches[0] != (finder.Place{Bank: "SBIN", Code: "SBIN0001003"}) {
		t.Errorf("within a bank and town: %+v", found)
	}
	for _, q := range []finder.Query{{Bank: "NONE"}, {Bank: "SBIN", Town: "nowhere"}, {Bank: "MIZU", Text: "mumbai"}, {Bank: "GONE"}} {
		if found := x.Find(q); found.Total != 0 || len(found.Branches) != 0 {
			t.Errorf("%+v: %+v", q, found)
		}
	}
	if found := x.Find(finder.Query{Text: "gone main", Closed: true, Limit: 5}); found.Total != 1 || found.Branches[0].Code != "GONE0000001" {
		t.Errorf("closed: %+v", found)
	}
	if found := x.Find(finder.Query{Text: "salt lake kolkata mumbai", Limit: 5}); found.Complete || found.Branches[0].Code != "HDFC0000001" {
		t.Errorf("not all words: %+v", found)
	}
}

// Pages of a list have each branch once.
func TestFindPages(t *testing.T) {
	providers, branches := rows(2000)
	x := build(t, providers, branches)
	seen := map[finder.Place]bool{}
	total := x.Find(finder.Query{Text: "road"}).Total
	for offset := 0; offset < total; offset += 20 {
		found := x.Find(finder.Query{Text: "road", Offset: offset, Limit: 20})
		if found.Total != total || len(found.Branches) != min(20, total-offset) {
			t.Fatalf("from %d: %d of %d", offset, len(found.Branches), found.Total)
		}
		for _, p := range found.Branches {
			if seen[p] {
				t.Errorf("%v is there twice", p)
			}
			seen[p] = true
		}
	}
	if len(seen) != total || total < 100 {
		t.Errorf("%d of %d seen", len(seen), total)
	}
}

// Every branch is found by its code, and by its bank, name and town with one mistake in the name.
func TestFindEveryBranch(t *testing.T) {
	providers, branches := rows(3000)
	x := build(t, providers, branches)
	names := map[string]string{}
	for _, b := range providers {
		names[b.Code] = b.Name
	}
	random := rand.New(rand.NewPCG(3, 4))
	for i, b := range branches {
		if found := x.Find(finder.Query{Text: b.Code, Limit: 1}); len(found.Branches) != 1 || found.Branches[0].Code != b.Code {
			t.Fatalf("%s: %+v", b.Code, found)
		}
		if i%20 != 0 {
			continue
		}
		words := strings.Fields(names[b.Bank] + " " + b.Name)
		word := &words[random.IntN(len(words))]
		if at := random.IntN(len(*word)); len(*word) >= 5 {
			*word = (*word)[:at] + (*word)[at+1:]
		}
		text := strings.Join(words, " ") + " " + b.Town
		found := x.Find(finder.Query{Text: text, Limit: 20})
		if !slices.Contains(found.Branches, finder.Place{Bank: b.Bank, Code: b.Code}) && found.Total <= 20 {
			t.Errorf("%q does not find %s %s %s, but %+v", text, b.Code, b.Name, b.Town, found)
		}
	}
}

// Nothing that can be typed takes long, or as much memory as it likes.
func TestFindHostile(t *testing.T) {
	providers, branches := rows(20_000)
	x := build(t, providers, branches)
	for name, text := range map[string]string{
		"letters": strings.Repeat("a", 100_000), "words": strings.Repeat("ba ", 50_000), "every letter": "a b c d e f g h i j k l m n o p q r s t u v w x y z",
		"wildcards": "%_*?[a-z].*", "control": "\x00\x1b[31m\r\n\t", "not utf-8": "\xff\xfe\xc3", "marks": "a" + strings.Repeat("\u0301", 10_000),
		"han": strings.Repeat("銀行", 5000), "long words": strings.Repeat("rajapurampattinagar ", 10), "digits": "1 2 3 4 5 6 7 8 9 0", "emoji": "🏦🏦🏦", "null": "",
	} {
		start := time.Now()
		found := x.Find(finder.Query{Text: text, Offset: 1 << 40, Limit: 1 << 40})
		if took := time.Since(start); took > 2*time.Second || len(found.Branches) > 100 {
			t.Errorf("%s: %v, %d branches", name, took, len(found.Branches))
		}
	}
	var empty finder.Index
	if found := empty.Find(finder.Query{Text: "bank", Limit: 5}); found.Total != 0 {
		t.Errorf("an index of nothing: %+v", found)
	}
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"State Bank of India": "state bank of india", "  D'Angelo’s\tCafé-Bar ": "dangelos cafe bar", "KURLA(W),MUMBAI-400070": "kurla w mumbai 400070",
		"0012 000 A007": "12 0 a007", "Łódź Größe Ærø": "lodz grosse aero", "İstanbul ıI": "istanbul ii", "Ё й": "е и", "ﬁn": "fin", "١٢٣ ०१": "123 1",
		"أسوان الْقَاهِرَة": "اسوان القاهره", "दिल्ली": "दिल्ली", "東京都": "東京 京都", "銀": "銀", "みずほABC": "みす すほ abc", "กรุงเทพ": "กร รุ ุง งเ เท ทพ",
		strings.Repeat("x", 50): strings.Repeat("x", 32), "": "", "%_*": "",
	} {
		if got := strings.Join(finder.Words(text), " "); got != want {
			t.Errorf("Words(%q) = %q, want %q", text, got, want)
		}
	}
}

// FuzzWords: words are folded, short, and fold to themselves.
func FuzzWords(f *testing.F) {
	for _, text := range []string{"State Bank", "D’Angelo", "東京都", "ﷺ", "0010", "\xff", "Ⅷ½", "a\u0300\u0301"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, word := range finder.Words(text) {
			if word == "" || strings.ContainsAny(word, " %_\x00") || len([]rune(word)) > 32 {
				t.Fatalf("Words(%q) has %q", text, word)
			}
			if again := finder.Words(word); !slices.Equal(again, []string{word}) {
				t.Fatalf("Words(%q) = %q", word, again)
			}
		}
	})
}

// FuzzFind: a search never fails, and keeps its own promises.
func FuzzFind(f *testing.F) {
	for _, text := range []string{"sbi andheri", "bnak", "a", "東", "\xff", "of of of", "sbin0001"} {
		f.Add(text, "", "", 0, 10)
	}
	f.Add("fort", "SBIN", "mumbai", 1, 1)
	x := build(f, banks, branchesToFind())
	f.Fuzz(func(t *testing.T, text, bank, town string, offset, limit int) {
		found := x.Find(finder.Query{Text: text, Bank: bank, Town: town, Offset: offset, Limit: limit})
		if len(found.Branches) > max(limit, 0) || len(found.Branches) > found.Total || len(found.Banks) != len(found.Counts) {
			t.Fatalf("%+v", found)
		}
		for _, p := range found.Branches {
			if p.Bank == "" || p.Code == "" || bank != "" && !strings.EqualFold(p.Bank, bank) {
				t.Fatalf("%+v", found)
			}
		}
		if again := x.Find(finder.Query{Text: text, Bank: bank, Town: town, Offset: offset, Limit: limit}); fmt.Sprint(again) != fmt.Sprint(found) {
			t.Fatalf("the second time %+v, at first %+v", again, found)
		}
	})
}
