package mapper

import (
	"strconv"
	"strings"
	"unicode"

	"spar/mapper/finder"
)

// NumberProblem says what is wrong with an account number.
type NumberProblem string

// The problems of an account number, in the order in which they are looked for.
const (
	NumberMissing NumberProblem = "missing"
	NumberChars   NumberProblem = "chars"   // has a character that such numbers do not have
	NumberCountry NumberProblem = "country" // an IBAN of another country, or of none
	NumberLength  NumberProblem = "length"
	NumberCheck   NumberProblem = "check" // a character is wrong, or two are exchanged
)

// The length of numbers whose rule names none. ISO 13616 allows 34 characters, and no known number is longer.
const (
	shortestNumber = 4
	longestNumber  = 34
)

// Lengths are how many characters a number may have, spaces and dashes not counted. For an IBAN it is its country's.
func (r NumberRule) Lengths(country string) (shortest, longest int) {
	shortest, longest = r.MinLength, r.MaxLength
	if r.Check == CheckIBAN {
		if n := ibanLengths[country]; n > 0 {
			return n, n
		}
		shortest = max(shortest, 5)
	}
	if longest == 0 {
		longest = max(longestNumber, shortest)
	}
	if shortest == 0 {
		shortest = min(shortestNumber, longest)
	}
	return shortest, longest
}

// Plain is a number as it is kept: without the spaces and dashes that people copy with it, and with our digits for those of
// other scripts. An IBAN is in capital letters.
func (r NumberRule) Plain(typed string) string {
	number := strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c), unicode.Is(unicode.Pd, c), unicode.Is(unicode.Cf, c):
			return -1
		case c > '9' && unicode.IsDigit(c):
			return finder.Digit(c)
		}
		return c
	}, typed)
	if r.Check == CheckIBAN || r.Check == CheckMod11 {
		return upper(number)
	}
	return number
}

// Wrong returns the first character that a plain number may not have, if any.
func (r NumberRule) Wrong(number string) (rune, bool) {
	for i, c := range number {
		isDigit := '0' <= c && c <= '9'
		isLetter := 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		isCheck := r.Check == CheckMod11 && c == 'X' && i == len(number)-1
		if !isDigit && !isCheck && (!isLetter || r.onlyDigits()) {
			return c, true
		}
	}
	return 0, false
}

// onlyDigits: some checks can be made of digits only.
func (r NumberRule) onlyDigits() bool {
	return r.Chars == Digits || r.Check == CheckLuhn || r.Check == CheckVerhoeff || r.Check == CheckMod11
}

// OnlyDigits reports whether numbers have no letters.
func (r NumberRule) OnlyDigits() bool { return r.onlyDigits() && r.Check != CheckIBAN }

// Verify looks at a plain number; empty: it can be right.
func (r NumberRule) Verify(number string) NumberProblem {
	if number == "" {
		return NumberMissing
	}
	if _, wrong := r.Wrong(number); wrong {
		return NumberChars
	}
	if r.Check == CheckIBAN && !r.isCountry(CountryOf(number)) {
		return NumberCountry
	}
	if shortest, longest := r.Lengths(CountryOf(number)); len(number) < shortest || len(number) > longest {
		return NumberLength
	}
	if check, ok := numberChecks[r.Check]; ok && !check(number) {
		return NumberCheck
	}
	return ""
}

// CountryOf are the two letters that an IBAN begins with.
func CountryOf(number string) string { return number[:min(len(number), 2)] }

// isCountry: a rule can name a country that the registry of IBANs does not have yet, and gives its length itself.
func (r NumberRule) isCountry(country string) bool {
	if r.Country != "" {
		return country == r.Country
	}
	return ibanLengths[country] > 0
}

// Grouped is a number with spaces where its bank prints them. The last group repeats.
func (r NumberRule) Grouped(number string) string {
	var groups []int
	for _, text := range strings.Fields(r.Groups) {
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			groups = append(groups, n)
		}
	}
	if len(groups) == 0 && r.Check == CheckIBAN {
		groups = []int{4}
	}
	if len(groups) == 0 {
		return number
	}
	var parts []string
	for rest := number; rest != ""; {
		n := min(groups[min(len(parts), len(groups)-1)], len(rest))
		parts, rest = append(parts, rest[:n]), rest[n:]
	}
	return strings.Join(parts, " ")
}

// numberChecks are the check digits by name; the number has passed the rule on characters.
var numberChecks = map[string]func(number string) bool{
	CheckLuhn:     luhn,
	CheckVerhoeff: verhoeff,
	CheckMod11:    mod11,
	CheckMod97:    mod97,
	CheckIBAN:     func(number string) bool { return len(number) > 4 && mod97(number[4:]+number[:4]) },
}

// luhn doubles every second digit from the right (ISO/IEC 7812-1).
func luhn(number string) bool {
	sum := 0
	for i := range len(number) {
		digit := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			if digit *= 2; digit > 9 {
				digit -= 9
			}
		}
		sum += digit
	}
	return sum%10 == 0
}

// verhoeff multiplies the digits, each permuted by its place, in the group of a pentagon's symmetries.
func verhoeff(number string) bool {
	permuted := func(digit, place int) int {
		for range place % 8 {
			digit = [10]int{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}[digit]
		}
		return digit
	}
	product := 0
	for i := range len(number) {
		product = pentagon(product, permuted(int(number[len(number)-1-i]-'0'), i))
	}
	return product == 0
}

// pentagon multiplies two symmetries of a pentagon: 0 to 4 are its rotations, 5 to 9 its reflections.
func pentagon(a, b int) int {
	switch {
	case a < 5 && b < 5:
		return (a + b) % 5
	case a < 5:
		return 5 + (a+b)%5
	case b < 5:
		return 5 + (a-b)%5
	default:
		return (a - b + 5) % 5
	}
}

// mod11 weighs the digits by 1, 2, 3 and so on from the right; an X at the end stands for 10.
func mod11(number string) bool {
	sum := 0
	for i := range len(number) {
		digit := int(number[len(number)-1-i] - '0')
		if number[len(number)-1-i] == 'X' {
			digit = 10
		}
		sum += (i + 1) * digit
	}
	return sum%11 == 0
}

// mod97 takes letters for two digits each, A for 10 (ISO/IEC 7064, MOD 97-10).
func mod97(number string) bool {
	rest := 0
	for _, c := range upper(number) {
		if 'A' <= c && c <= 'Z' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}

// ibanLengths are the lengths of IBANs by country, from the registry of ISO 13616.
var ibanLengths = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28,
	"CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
	"GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
	"LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
	"NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24,
	"SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}
