package mapper_test

import (
	"strings"
	"testing"

	"spar/mapper"
)

// Known numbers of each check, and what a single mistake makes of them.
func TestNumberChecks(t *testing.T) {
	for check, numbers := range map[string][]string{
		mapper.CheckLuhn:     {"79927398713", "4539578763621486", "17893729974"},
		mapper.CheckVerhoeff: {"2363", "1428570", "123451", "84736430954837284567892"},
		mapper.CheckMod11:    {"0306406152", "080442957X", "0131103628"}, // ISBN-10
		mapper.CheckMod97:    {"79444", "3214282912345698765432161182"},
		mapper.CheckIBAN: {
			"GB29NWBK60161331926819", "DE89370400440532013000", "FR1420041010050500013M02606", "NO9386011117947", "SA0380000000608010167519",
			"MT84MALT011000012345MTLCAST001S", "BE68539007547034", "LC55HEMM000100010012001200023015", "XK051212012345678906",
		},
	} {
		rule := mapper.NumberRule{Check: check}
		for _, number := range numbers {
			if got := rule.Verify(number); got != "" {
				t.Errorf("%s: %s: %s", check, number, got)
			}
			for i := range len(number) - 1 {
				digit := number[i]
				if digit < '0' || digit > '9' || check == mapper.CheckIBAN && i < 2 {
					continue
				}
				wrong := number[:i] + string('0'+(digit-'0'+1)%10) + number[i+1:]
				if got := rule.Verify(wrong); got != mapper.NumberCheck {
					t.Errorf("%s: %s for %s: %q", check, wrong, number, got)
				}
				next := number[i+1]
				if check == mapper.CheckLuhn || next == digit || next < '0' || next > '9' {
					continue // luhn does not notice 09 and 90
				}
				if got := rule.Verify(number[:i] + string(next) + string(digit) + number[i+2:]); got != mapper.NumberCheck {
					t.Errorf("%s: %s with %d and the next exchanged: %q", check, number, i, got)
				}
			}
		}
	}
}

func TestNumberRule(t *testing.T) {
	eleven := mapper.NumberRule{MinLength: 11, MaxLength: 11, Chars: mapper.Digits}
	iban := mapper.NumberRule{Check: mapper.CheckIBAN}
	german := mapper.NumberRule{Check: mapper.CheckIBAN, Country: "DE"}
	invented := mapper.NumberRule{Check: mapper.CheckIBAN, Country: "XV", MinLength: 18, MaxLength: 18}
	for _, test := range []struct {
		rule  mapper.NumberRule
		typed string
		plain string
		want  mapper.NumberProblem
	}{
		{mapper.NumberRule{}, " 12-34 ", "1234", ""},
		{mapper.NumberRule{}, "ab12", "ab12", ""},
		{mapper.NumberRule{}, "123", "123", mapper.NumberLength},
		{mapper.NumberRule{}, strings.Repeat("1", 35), strings.Repeat("1", 35), mapper.NumberLength},
		{mapper.NumberRule{}, "12é4", "12é4", mapper.NumberChars},
		{mapper.NumberRule{}, "12/34", "12/34", mapper.NumberChars},
		{mapper.NumberRule{}, "  ", "", mapper.NumberMissing},
		{mapper.NumberRule{MinLength: 40}, strings.Repeat("1", 40), strings.Repeat("1", 40), ""},
		{mapper.NumberRule{MaxLength: 3}, "123", "123", ""},
		{eleven, "0012 3456–789", "00123456789", ""},
		{eleven, "٠٠١٢٣٤٥٦٧٨٩", "00123456789", ""},
		{eleven, "००१२३४५६७८९", "00123456789", ""},
		{eleven, "\u200f00123456789\u00a0", "00123456789", ""},
		{eleven, "0012345678", "0012345678", mapper.NumberLength},
		{eleven, "0012345678O", "0012345678O", mapper.NumberChars},
		{mapper.NumberRule{Check: mapper.CheckLuhn}, "7992739871X", "7992739871X", mapper.NumberChars},
		{mapper.NumberRule{Check: mapper.CheckMod11}, "080442957x", "080442957X", ""},
		{mapper.NumberRule{Check: mapper.CheckMod11}, "08044295X7", "08044295X7", mapper.NumberChars},
		{iban, "gb29 nwbk 6016 1331 9268 19", "GB29NWBK60161331926819", ""},
		{iban, "GB29NWBK6016133192681", "GB29NWBK6016133192681", mapper.NumberLength},
		{iban, "GB28NWBK60161331926819", "GB28NWBK60161331926819", mapper.NumberCheck},
		{iban, "ZZ29NWBK60161331926819", "ZZ29NWBK60161331926819", mapper.NumberCountry},
		{iban, "1", "1", mapper.NumberCountry},
		{german, "GB29NWBK60161331926819", "GB29NWBK60161331926819", mapper.NumberCountry},
		{german, "DE89 3704 0044 0532 0130 00", "DE89370400440532013000", ""},
		{invented, "XV00", "XV00", mapper.NumberLength},
	} {
		plain := test.rule.Plain(test.typed)
		if got := test.rule.Verify(plain); plain != test.plain || got != test.want {
			t.Errorf("%+v: %q is %q: %q, want %q: %q", test.rule, test.typed, plain, got, test.plain, test.want)
		}
	}
	for groups, want := range map[string]string{"4 4 3": "0012 3456 789", "4": "0012 3456 789", "": "00123456789", "5 0 x 2": "00123 45 67 89", "20": "00123456789"} {
		if got := (mapper.NumberRule{Groups: groups}).Grouped("00123456789"); got != want {
			t.Errorf("in groups of %q: %q, want %q", groups, got, want)
		}
	}
}

// FuzzNumberRule: what passes a rule keeps it, whatever was typed.
func FuzzNumberRule(f *testing.F) {
	f.Add("GB29 NWBK 6016 1331 9268 19", "iban", "", 0, 0)
	f.Add("7992-7398713", "luhn", "digits", 4, 12)
	f.Add("\u0661\U0001d7d8é", "mod11", "4 4", 1, 40)
	f.Fuzz(func(t *testing.T, typed, check, groups string, shortest, longest int) {
		rule := mapper.NumberRule{Check: check, Groups: groups, MinLength: min(max(shortest, 0), 64), MaxLength: min(max(longest, 0), 64)}
		number := rule.Plain(typed)
		if rule.Verify(number) != "" {
			return
		}
		if again := rule.Plain(number); again != number || rule.Plain(rule.Grouped(number)) != number {
			t.Fatalf("%q is %q, and then %q, %q", typed, number, again, rule.Grouped(number))
		}
		for _, c := range number {
			if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
				t.Fatalf("%q passes as %q", typed, number)
			}
		}
		if rule.Check == mapper.CheckIBAN && len(number) < 15 {
			t.Fatalf("%q is no IBAN", number)
		}
	})
}
