// Package finder finds the branches of a large directory by what people type of them: parts of the bank's name, the branch,
// its code, its town or its area, in any order, whatever their case and accents, and with small spelling mistakes. All of it
// is in memory, and an [Index] never changes: a new one is built when the directory has changed.
//
// Every word of the directory is in one sorted vocabulary; each has the list of the branches it is in, with the fields it
// is in. A search gives every branch points for each word typed and keeps the best.
package finder

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// Bank is a bank of the directory.
type Bank struct {
	Code   string
	Name   string
	Active bool
}

// Branch is a branch of the directory.
type Branch struct {
	Bank    string // code
	Code    string
	Name    string
	Town    string
	Area    string
	Address string
	Active  bool
}

// Index finds branches. The zero value finds nothing.
type Index struct {
	banks     []Bank            // by name
	bankWords []uint8           // of their names, optional ones not counted
	branches  []branch          // by bank, then name, then code
	codes     string            // of the branches, one after the other
	towns     []string          // as they are written
	townIDs   map[string]uint32 // their places, by folded name
	words     vocabulary
	postings  []posting // of the words, one after the other
	scratch   pool
}

// branch is what a search needs of a branch beside its words.
type branch struct {
	bank   uint32
	town   uint32
	code   uint32 // where it begins in codes
	words  uint8  // of its name: of two equally good ones the shorter is meant
	active bool
}

// posting says that a branch has a word, and in which fields.
type posting uint32

const fieldBits = 6

func (p posting) branch() uint32 { return uint32(p >> fieldBits) }
func (p posting) fields() field  { return field(p & (1<<fieldBits - 1)) }

// field is a set of the fields of a branch.
type field uint8

const (
	inCode field = 1 << iota
	inBank
	inName
	inTown
	inArea
	inAddress
)

// weights say how much a word tells in its best field, by set of fields: at most 12.
var weights = func() (list [1 << fieldBits]uint8) {
	for set := range list {
		for in, weight := range map[field]uint8{inCode: 12, inName | inTown: 11, inName: 10, inBank: 10, inTown: 9, inArea: 5, inAddress: 2} {
			if field(set)&in == in {
				list[set] = max(list[set], weight)
			}
		}
	}
	return list
}()

// Build makes the index. It goes through the branches once; those of banks that are not given are left out.
func Build(banks []Bank, branches iter.Seq2[Branch, error]) (*Index, error) {
	b := newBuilder(banks)
	for row, err := range branches {
		if err != nil {
			return nil, err
		}
		b.add(row)
	}
	return b.index(), nil
}

// builder collects what the branches have.
type builder struct {
	banks     []Bank
	place     map[string]uint32 // of a bank in banks, by code
	bankOwn   [][]seen          // words of the bank
	bankWords []uint8
	words     map[string]uint32 // ids, in the order in which they were first seen
	towns     map[string]uint32
	town      []string
	rows      []row
	seen      []seen // of the rows, one after the other
}

type row struct {
	branch
	name  string // folded, to sort by
	codes string
	from  int // in seen
	until int
}

// seen is a word of a branch, with the fields it is in.
type seen struct {
	word   uint32
	fields field
}

func newBuilder(banks []Bank) *builder {
	b := &builder{
		banks: slices.Clone(banks), place: map[string]uint32{}, words: map[string]uint32{}, towns: map[string]uint32{},
	}
	slices.SortFunc(b.banks, func(x, y Bank) int {
		return cmp.Or(cmp.Compare(plain(x.Name), plain(y.Name)), cmp.Compare(x.Code, y.Code))
	})
	for i, bank := range b.banks {
		b.place[bank.Code] = uint32(i)
		start := len(b.seen)
		b.see(start, Words(bank.Code), inBank)
		words := Words(bank.Name)
		b.bankWords = append(b.bankWords, telling(words))
		b.see(start, words, inBank)
		b.see(start, closedUp(words, bank.Name), inBank)
		b.see(start, initials(words), inBank)
		b.bankOwn = append(b.bankOwn, slices.Clone(b.seen[start:]))
		b.seen = b.seen[:start]
	}
	return b
}

func (b *builder) add(r Branch) {
	bank, ok := b.place[r.Bank]
	if !ok {
		return
	}
	start := len(b.seen)
	b.seen = append(b.seen, b.bankOwn[bank]...)
	code := Words(r.Code)
	b.see(start, code, inCode)
	b.see(start, tails(r.Code), inCode)
	name := plain(r.Name)
	names := strings.Fields(name)
	b.see(start, names, inName)
	b.see(start, closedUp(names, r.Name), inName)
	for _, rest := range []struct {
		text string
		in   field
	}{{r.Town, inTown}, {r.Area, inArea}, {r.Address, inAddress}} {
		words := Words(rest.text)
		b.see(start, words, rest.in)
		b.see(start, closedUp(words, rest.text), rest.in)
	}
	b.rows = append(b.rows, row{
		branch: branch{bank: bank, town: b.townOf(r.Town), words: uint8(min(len(names), 8)), active: r.Active && b.banks[bank].Active},
		name:   name, codes: r.Code, from: start, until: len(b.seen),
	})
}

// see notes words of the branch whose words begin at start.
func (b *builder) see(start int, words []string, in field) {
next:
	for _, word := range words {
		id, ok := b.words[word]
		if !ok {
			id = uint32(len(b.words))
			b.words[strings.Clone(word)] = id
		}
		for i := range b.seen[start:] {
			if b.seen[start+i].word == id {
				b.seen[start+i].fields |= in
				continue next
			}
		}
		b.seen = append(b.seen, seen{id, in})
	}
}

func (b *builder) townOf(town string) uint32 {
	folded := plain(town)
	id, ok := b.towns[folded]
	if !ok {
		id = uint32(len(b.town))
		b.towns[folded] = id
		b.town = append(b.town, strings.Clone(town))
	}
	return id
}

// index puts everything in order.
func (b *builder) index() *Index {
	slices.SortFunc(b.rows, func(x, y row) int {
		return cmp.Or(cmp.Compare(x.bank, y.bank), cmp.Compare(x.name, y.name), cmp.Compare(x.codes, y.codes))
	})
	x := &Index{banks: b.banks, bankWords: b.bankWords, branches: make([]branch, len(b.rows)), towns: b.town, townIDs: b.towns, postings: make([]posting, len(b.seen))}
	var codes strings.Builder
	for i, r := range b.rows {
		x.branches[i] = r.branch
		x.branches[i].code = uint32(codes.Len())
		codes.WriteString(r.codes)
	}
	x.codes = codes.String()

	var order []uint32 // new id of a word, by old
	x.words, order = sortedVocabulary(b.words)
	counts := make([]uint32, len(order)+1)
	for _, s := range b.seen {
		counts[order[s.word]+1]++
	}
	for i := range len(order) {
		counts[i+1] += counts[i]
	}
	x.words.first = slices.Clone(counts)
	for i, r := range b.rows {
		for _, s := range b.seen[r.from:r.until] {
			at := &counts[order[s.word]]
			x.postings[*at] = posting(i)<<fieldBits | posting(s.fields)
			*at++
		}
	}
	return x
}

// closedUp are words that people write as one: letters that stand alone ("M. G. Road", "mg road"), and short words with a
// hyphen between them ("co-op", "coop").
func closedUp(words []string, text string) []string {
	var list []string
	for i := 0; i < len(words); {
		j := i
		for j < len(words) && len(words[j]) == 1 && 'a' <= words[j][0] && words[j][0] <= 'z' {
			j++
		}
		if j-i > 1 {
			list = append(list, strings.Join(words[i:j], ""))
		}
		i = max(i+1, j)
	}
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "-")
		if !found {
			return list
		}
		rest = after
		left, right := Words(before[strings.LastIndexByte(before, ' ')+1:]), Words(after)
		if len(left) > 0 && len(right) > 0 && len(left[len(left)-1]) <= 4 && len(right[0]) <= 4 {
			list = append(list, left[len(left)-1]+right[0])
		}
	}
}

// initials are how people shorten the name of a bank: "sbi" and "boi" for State Bank of India and Bank of India.
func initials(words []string) []string {
	var all, telling strings.Builder
	for _, word := range words {
		first := word[:1]
		if first[0] >= 0x80 {
			return nil
		}
		all.WriteString(first)
		if !optional[word] {
			telling.WriteString(first)
		}
	}
	var list []string
	for _, short := range []string{all.String(), telling.String()} {
		if len(short) > 1 && !slices.Contains(list, short) {
			list = append(list, short)
		}
	}
	return list
}

// telling counts the words that are not optional.
func telling(words []string) (n uint8) {
	for _, word := range words[:min(len(words), 100)] {
		if !optional[word] {
			n++
		}
	}
	return n
}

// tails are the number at the end of a code: passbooks print it alone.
func tails(code string) []string {
	digits := code
	for i := len(code); i > 0 && '0' <= code[i-1] && code[i-1] <= '9'; i-- {
		digits = code[i-1:]
	}
	if digits == code || digits == "" || digits[0] < '0' || digits[0] > '9' {
		return nil
	}
	return Words(digits)
}
