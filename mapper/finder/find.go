package finder

import (
	"bytes"
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Limits of a search: what is beyond them is not looked at.
const (
	MaxText   = 120  // characters
	MaxWords  = 10   // words
	MaxOffset = 1000 // nobody leafs further
	maxLimit  = 100
)

// Query says what is looked for.
type Query struct {
	Text   string
	Bank   string // code of the bank to look in; empty: in all
	Town   string // to look in; empty: in all
	Closed bool   // also what is not active
	Offset int    // how many of the best to leave out
	Limit  int
}

// Found is what a search found.
type Found struct {
	Branches  []Place
	Total     int
	Complete  bool   // the branches have every word; otherwise they have as many as any
	NamesBank bool   // all words are of names of banks: no branch is meant yet
	Banks     []Bank // with branches among the found ones, the best first
	Counts    []int  // of the found branches of each of the banks
	Towns     []Town // within one bank: those with the most branches found
}

// Place is where a branch is in the directory.
type Place struct{ Bank, Code string }

// Town is a town with the number of branches found in it.
type Town struct {
	Name     string
	Branches int
}

// optional are words that need not be there: people write them where the directory does not, and the other way round.
var optional = map[string]bool{
	"of": true, "the": true, "and": true, "for": true, "de": true, "la": true, "du": true, "des": true, "et": true, "ng": true, "sa": true,
	"branch": true, "ifsc": true, "code": true, "ltd": true, "limited": true, "agence": true, "sangay": true, "فرع": true,
}

// isOptional reports whether a word need not be there. A single letter is often the beginning of the next word.
func isOptional(word string) bool {
	return optional[word] || len(word) == 1 && (word[0] < '0' || '9' < word[0])
}

// alike are other ways to write a word that are no spelling mistakes.
var alike = map[string][]string{
	"east": {"e"}, "west": {"w"}, "north": {"n"}, "south": {"s"}, "road": {"rd"}, "street": {"st", "str"}, "saint": {"st"},
	"rd": {"road"}, "st": {"street", "saint"}, "natl": {"national"}, "intl": {"international"}, "bk": {"bank"}, "stn": {"station"},
	"nr": {"near"}, "opp": {"opposite"}, "bldg": {"building"}, "e": {"east"}, "w": {"west"}, "n": {"north"}, "s": {"south"},
}

// The points of a branch for a word: how well it fits times how much the field tells. At most 127.
const (
	fitsExactly   = 10
	fitsBeginning = 5 // up to 9 the less is missing
	fitsTogether  = 8
	fitsShort     = 4
	fitsMistaken  = 5 // less one for each mistake
	fitsOpenly    = 3 // a mistaken beginning, less one for each mistake
	certain       = 1 << 7
)

// Points of a branch, as one number to compare: how many and how rare the words are that it has, then how many of them
// without a mistake, then how well they fit.
const (
	rarityShift  = 20
	certainShift = 16
)

// sheet is what a search writes on. Its slices have an element for each branch of the index.
type sheet struct {
	now    []uint8 // best points for the word at hand
	fields []field // where that word was found
	total  []uint32
	named  []uint8 // words so far that are of the bank's name
}

type pool struct{ sheets sync.Pool }

func (x *Index) sheet() *sheet {
	s, ok := x.scratch.sheets.Get().(*sheet)
	if !ok {
		n := len(x.branches)
		s = &sheet{make([]uint8, n), make([]field, n), make([]uint32, n), make([]uint8, n)}
	}
	return s
}

// Find searches. It takes a few milliseconds at most, whatever the text.
func (x *Index) Find(q Query) Found {
	from, to := 0, len(x.branches)
	if q.Bank != "" {
		from, to = x.branchesOf(q.Bank)
	}
	words := Words(cut(q.Text))
	words = words[:min(len(words), MaxWords)]
	if from == to || len(words) == 0 && strings.TrimSpace(q.Text) != "" {
		return Found{Complete: true}
	}
	s := &search{x: x, q: q, from: from, to: to, words: words, sheet: x.sheet(), town: -1}
	defer x.scratch.sheets.Put(s.sheet)
	if q.Town != "" {
		town, ok := x.townIDs[plain(q.Town)]
		if !ok {
			return Found{Complete: true}
		}
		s.town = int(town)
	}
	s.run(false)
	if found := s.count(); found < max(min(q.Limit, maxLimit), 10) {
		s.run(true)
	}
	return s.found()
}

// cut leaves the part of a text that is looked at.
func cut(text string) string {
	n := 0
	for i := range text {
		if n++; n > MaxText {
			return text[:i]
		}
	}
	return text
}

func (x *Index) branchesOf(bank string) (from, to int) {
	at := slices.IndexFunc(x.banks, func(b Bank) bool { return strings.EqualFold(b.Code, bank) })
	if at < 0 {
		return 0, 0
	}
	from, _ = slices.BinarySearchFunc(x.branches, uint32(at), func(b branch, bank uint32) int { return cmp.Compare(b.bank, bank) })
	to, _ = slices.BinarySearchFunc(x.branches, uint32(at+1), func(b branch, bank uint32) int { return cmp.Compare(b.bank, bank) })
	return from, to
}

// search is one search under way, in the branches from one place to another.
type search struct {
	*sheet
	x        *Index
	q        Query
	words    []string
	from, to int
	town     int // -1: any
	needed   uint32
	required uint8 // words that are not optional
	hopeless bool  // a word is nowhere
}

// run gives every branch its points. At first only what was typed counts; loosely, also what may have been meant.
func (s *search) run(loosely bool) {
	clear(s.total[s.from:s.to])
	clear(s.named[s.from:s.to])
	s.needed, s.required, s.hopeless = 0, 0, false
	telling := slices.ContainsFunc(s.words, func(word string) bool { return !isOptional(word) })
	for i, word := range s.words {
		clear(s.now[s.from:s.to])
		clear(s.fields[s.from:s.to])
		s.asTyped(i, word)
		if loosely {
			s.asMeant(i, word)
		}
		s.addUp(isOptional(word) && telling)
	}
}

// asTyped finds a word itself, what it begins, and itself together with its neighbour.
func (s *search) asTyped(i int, word string) {
	v := &s.x.words
	at, exact := v.find(word)
	if exact {
		s.give(at, certain, fitsExactly)
	}
	for _, other := range alike[word] {
		if at, ok := v.find(other); ok {
			s.give(at, certain, fitsTogether)
		}
	}
	if letters := utf8.RuneCountInString(word); letters > 2 || letters == 2 && !exact || i == len(s.words)-1 {
		from, to := v.beginning(word)
		if exact {
			from++
		}
		for n := from; n < to; n++ {
			s.give(n, certain, uint8(fitsBeginning+4*len(word)/len(v.word(n))))
		}
	}
	for _, pair := range []int{i - 1, i} {
		if pair >= 0 && pair+1 < len(s.words) {
			if at, ok := v.find(s.words[pair] + s.words[pair+1]); ok {
				s.give(at, certain, fitsTogether)
			}
		}
	}
}

// asMeant finds what a word may be a misspelling or short form of, and the two words it may be.
func (s *search) asMeant(i int, word string) {
	v := &s.x.words
	if strings.ContainsFunc(word, unicode.IsDigit) {
		return
	}
	v.shortened(word, func(n int) { s.give(n, 0, fitsShort) })
	for split := range word {
		if split < 2 || len(word)-split < 2 {
			continue
		}
		left, ok := v.find(word[:split])
		right, also := v.find(word[split:])
		if ok && also {
			s.giveBoth(left, right)
		}
	}
	if allowed := mistakes(word); allowed > 0 {
		open := i == len(s.words)-1
		v.near(word, allowed, open, func(from, to int, mistakes uint8) {
			fits := fitsMistaken - mistakes
			if to-from > 1 {
				fits = fitsOpenly - mistakes
			}
			for n := from; n < to; n++ {
				s.give(n, 0, max(fits, 1))
			}
		})
	}
}

// mistakes is how many mistakes a word may have.
func mistakes(word string) uint8 {
	switch letters := utf8.RuneCountInString(word); {
	case letters < 4:
		return 0
	case letters < 8:
		return 1
	default:
		return 2
	}
}

// give gives the branches that have a word of the vocabulary their points, unless they have better ones.
func (s *search) give(word int, sure, fits uint8) {
	var points [1 << fieldBits]uint8
	for in := range points {
		points[in] = sure | fits*weights[in]
	}
	first, last := s.x.words.first[word], s.x.words.first[word+1]
	now, fields, from := s.now[s.from:s.to], s.fields[s.from:s.to], uint32(s.from)
	for _, p := range s.x.postings[first:last] {
		at := p.branch() - from // beyond the end, if before the beginning
		if at < uint32(len(now)) {
			now[at] = max(now[at], points[p.fields()])
			fields[at] |= p.fields()
		}
	}
}

// giveBoth gives points to the branches that have both words.
func (s *search) giveBoth(left, right int) {
	v := &s.x.words
	one, other := s.x.postings[v.first[left]:v.first[left+1]], s.x.postings[v.first[right]:v.first[right+1]]
	for len(one) > 0 && len(other) > 0 {
		switch a, b := one[0].branch(), other[0].branch(); {
		case a < b:
			one = one[1:]
		case a > b:
			other = other[1:]
		default:
			if both := one[0].fields() & other[0].fields(); int(a) >= s.from && int(a) < s.to {
				s.now[a] = max(s.now[a], fitsShort*weights[both])
				s.fields[a] |= both
			}
			one, other = one[1:], other[1:]
		}
	}
}

// addUp adds the points for the word at hand to those of the words before.
func (s *search) addUp(isOptional bool) {
	now, fields, total, named := s.now[s.from:s.to], s.fields[s.from:s.to], s.total[s.from:s.to], s.named[s.from:s.to]
	var word, sure uint32 // what a branch gets for having the word at all, and for having it without a mistake
	if !isOptional {
		matched := len(now) - bytes.Count(now, []byte{0})
		rarity := 1 + uint32(bits.Len(uint(len(now)/max(matched, 1))))
		word, sure = rarity<<rarityShift, 1<<certainShift
		s.needed += rarity
		s.required++
		s.hopeless = s.hopeless || matched == 0
	}
	for i, points := range now {
		if points == 0 {
			continue
		}
		total[i] += word + sure*uint32(points>>7) + uint32(points&^certain)
		if !isOptional {
			named[i] += uint8(fields[i] & inBank / inBank)
		}
	}
}

// eligible reports whether a branch is looked for at all.
func (s *search) eligible(i int) bool {
	b := &s.x.branches[i]
	return (b.active || s.q.Closed) && (s.town < 0 || int(b.town) == s.town)
}

// count returns how many branches have every word.
func (s *search) count() int {
	if s.hopeless {
		return 0
	}
	n := 0
	for i := s.from; i < s.to; i++ {
		if s.total[i]>>rarityShift == s.needed && s.eligible(i) {
			n++
		}
	}
	return n
}

// found picks the best.
func (s *search) found() Found {
	wanted := uint32(0)
	for i := s.from; i < s.to; i++ {
		if s.eligible(i) {
			wanted = max(wanted, s.total[i]>>rarityShift)
		}
	}
	f := Found{Complete: wanted == s.needed && !s.hopeless}
	if wanted == 0 && s.needed > 0 {
		return f
	}
	offset, limit := min(max(s.q.Offset, 0), MaxOffset), min(max(s.q.Limit, 0), maxLimit)
	best := heap{size: offset + limit}
	banks := make([]tally, len(s.x.banks))
	var towns map[uint32]int
	if s.q.Bank != "" {
		towns = map[uint32]int{}
	}
	for i := s.from; i < s.to; i++ {
		points := s.total[i]
		if points>>rarityShift != wanted || !s.eligible(i) {
			continue
		}
		f.Total++
		b := &s.x.branches[i]
		points += 8 - uint32(b.words) + s.bankPoints(i)
		best.offer(uint64(points)<<32 | uint64(^uint32(i)))
		bank := &banks[b.bank]
		bank.branches++
		bank.best = max(bank.best, points)
		bank.named = bank.named || s.named[i] == s.required && s.required > 0
		if towns != nil {
			towns[b.town]++
		}
	}
	list := best.sorted()
	for _, entry := range list[min(offset, len(list)):] {
		f.Branches = append(f.Branches, s.x.place(int(^uint32(entry))))
	}
	if len(list) > 0 {
		f.NamesBank = f.Complete && s.required > 0 && s.named[^uint32(list[0])] == s.required
	}
	f.Banks, f.Counts = s.banks(banks)
	f.Towns = s.towns(towns)
	return f
}

// bankPoints are for a bank the more of whose name was typed.
func (s *search) bankPoints(i int) uint32 {
	words := max(s.x.bankWords[s.x.branches[i].bank], 1)
	return 48 * uint32(min(s.named[i], words)) / uint32(words)
}

func (x *Index) place(i int) Place {
	end := uint32(len(x.codes))
	if i+1 < len(x.branches) {
		end = x.branches[i+1].code
	}
	return Place{x.banks[x.branches[i].bank].Code, x.codes[x.branches[i].code:end]}
}

// tally is what was found of a bank.
type tally struct {
	branches int
	best     uint32
	named    bool // by the text
}

// most banks and towns that are offered for narrowing a search.
const maxNarrow = 12

// banks puts those that the text names first, and then those with the most branches found.
func (s *search) banks(tallies []tally) (banks []Bank, counts []int) {
	var order []int
	for i, t := range tallies {
		if t.branches > 0 {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := tallies[a], tallies[b]
		return cmp.Or(boolean(y.named)-boolean(x.named), cmp.Compare(y.best>>certainShift, x.best>>certainShift), cmp.Compare(y.branches, x.branches))
	})
	for _, i := range order[:min(len(order), maxNarrow)] {
		banks, counts = append(banks, s.x.banks[i]), append(counts, tallies[i].branches)
	}
	return banks, counts
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (s *search) towns(counts map[uint32]int) []Town {
	list := make([]Town, 0, len(counts))
	for town, n := range counts {
		if name := s.x.towns[town]; name != "" {
			list = append(list, Town{name, n})
		}
	}
	slices.SortFunc(list, func(a, b Town) int { return cmp.Or(cmp.Compare(b.Branches, a.Branches), cmp.Compare(a.Name, b.Name)) })
	return list[:min(len(list), maxNarrow)]
}

// heap keeps the greatest numbers of many; its least one is in front.
type heap struct {
	size int
	list []uint64
}

func (h *heap) offer(n uint64) {
	switch {
	case len(h.list) < h.size:
		h.list = append(h.list, n)
		for i := len(h.list) - 1; i > 0 && h.list[i] < h.list[(i-1)/2]; i = (i - 1) / 2 {
			h.list[i], h.list[(i-1)/2] = h.list[(i-1)/2], h.list[i]
		}
	case h.size > 0 && n > h.list[0]:
		h.list[0] = n
		for i := 0; ; {
			least := i
			for _, child := range []int{2*i + 1, 2*i + 2} {
				if child < len(h.list) && h.list[child] < h.list[least] {
					least = child
				}
			}
			if least == i {
				return
			}
			h.list[i], h.list[least] = h.list[least], h.list[i]
			i = least
		}
	}
}

// sorted returns the numbers, the greatest first.
func (h *heap) sorted() []uint64 {
	slices.SortFunc(h.list, func(a, b uint64) int { return cmp.Compare(b, a) })
	return h.list
}
