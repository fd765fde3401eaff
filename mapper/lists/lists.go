// Package lists reads and writes the directory as CSV files: providers, and branches of banks. It takes files as spreadsheets
// and central banks write them, and says of each line that cannot be used why not. It decides nothing about the directory.
package lists

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"spar/mapper"
)

// What makes a whole file unusable.
var (
	ErrEmpty    = errors.New("the file is empty: its first line must name the columns")
	ErrEncoding = errors.New("the file is not UTF-8: save it as CSV UTF-8")
	ErrColumns  = errors.New("the first line does not name the columns of a list of branches or of providers")
	ErrTooLong  = errors.New("a line is longer than 64 KiB: a quotation mark is probably not closed")
	ErrTooMany  = errors.New("the file has more than 1,000,000 lines")
)

// Limits of a file.
const (
	maxRecord = 64 << 10
	maxLines  = 1_000_000
)

// The columns of our own files, in the order in which they are written.
var (
	branchColumns   = []string{"bank_code", "bank_name", "branch_code", "name", "town", "area", "address", "active"}
	providerColumns = []string{"code", "name", "kind", "strategy", "active"}
)

// formulas are the characters with which a cell begins that spreadsheets take for a formula.
const formulas = "=+-@|%\t\r"

// guarded keeps spreadsheets from taking a text for a formula; plain undoes it.
func guarded(text string) string {
	if bare := strings.TrimLeft(text, "'"); bare != "" && strings.ContainsRune(formulas, rune(bare[0])) {
		return "'" + text
	}
	return text
}

func plain(text string) string {
	if bare := strings.TrimLeft(text, "'"); bare != text && bare != "" && strings.ContainsRune(formulas, rune(bare[0])) {
		return text[1:]
	}
	return text
}

// tidy is a cell as it is kept: in one Unicode form, without spaces at its ends or in rows.
func tidy(cell string) string {
	for i := range len(cell) {
		if c := cell[i]; c <= ' ' || c >= utf8.RuneSelf {
			return plain(strings.Join(strings.Fields(norm.NFC.String(cell)), " "))
		}
	}
	return plain(cell)
}

// upper is a code as it is kept.
func upper(code string) string { return strings.ToUpper(code) }

// place is where a branch is, from the narrowest to the widest: the first part is its town, the others, once each, its
// area.
func place(parts ...string) (town, area string) {
	var seen []string
	for _, part := range parts {
		known := isNothing(part)
		for _, other := range seen {
			known = known || strings.EqualFold(part, other)
		}
		if !known {
			seen = append(seen, part)
		}
	}
	if len(seen) == 0 {
		return "", ""
	}
	return seen[0], strings.Join(seen[1:], ", ")
}

// isNothing reports whether a cell of the IFSC list says that nothing is known.
func isNothing(cell string) bool { return cell == "" || strings.EqualFold(cell, "NA") }

// kinds of provider, as they may be written.
var kinds = map[string]mapper.Kind{
	"bank": mapper.Bank, "mobile_wallet": mapper.MobileWallet, "mobile wallet": mapper.MobileWallet,
	"email_wallet": mapper.EmailWallet, "email wallet": mapper.EmailWallet, "e-mail wallet": mapper.EmailWallet,
}

// answers to whether something is active.
var answers = map[string]bool{
	"": true, "true": true, "yes": true, "y": true, "1": true, "active": true,
	"false": false, "no": false, "n": false, "0": false, "inactive": false,
}
