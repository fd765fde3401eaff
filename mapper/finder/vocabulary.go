package finder

import (
	"slices"
	"sort"
	"strings"
	"unicode/utf8"
)

// vocabulary is every word of the directory, sorted, which makes it a tree as well: the words with the same beginning are
// side by side.
type vocabulary struct {
	text  string   // the words, one after the other
	at    []uint32 // where each begins, and where the last ends
	first []uint32 // where the postings of each begin, and where the last ones end
}

func sortedVocabulary(ids map[string]uint32) (v vocabulary, order []uint32) {
	words := make([]string, 0, len(ids))
	for word := range ids {
		words = append(words, word)
	}
	slices.Sort(words)
	order = make([]uint32, len(words))
	v.at = make([]uint32, 0, len(words)+1)
	var text strings.Builder
	for i, word := range words {
		order[ids[word]] = uint32(i)
		v.at = append(v.at, uint32(text.Len()))
		text.WriteString(word)
	}
	v.at = append(v.at, uint32(text.Len()))
	v.text = text.String()
	return v, order
}

func (v *vocabulary) len() int          { return max(len(v.at)-1, 0) }
func (v *vocabulary) word(i int) string { return v.text[v.at[i]:v.at[i+1]] }

// find returns the place of a word.
func (v *vocabulary) find(word string) (int, bool) {
	i := sort.Search(v.len(), func(i int) bool { return v.word(i) >= word })
	return i, i < v.len() && v.word(i) == word
}

// beginning returns the places of the words with a beginning: from the first up to, not including, the second.
func (v *vocabulary) beginning(start string) (int, int) {
	from, _ := v.find(start)
	n := sort.Search(v.len()-from, func(i int) bool { return !strings.HasPrefix(v.word(from+i), start) })
	return from, from + n
}

// near gives the words that a mistyped word can mean: at most allowed letters are missing, too many, wrong or exchanged with
// their neighbour. If open, the word may be the beginning of a longer one. Words with a digit are never meant.
func (v *vocabulary) near(word string, allowed uint8, open bool, give func(from, to int, mistakes uint8)) {
	w := walk{v: v, word: []rune(word), allowed: allowed, open: open, give: give}
	if len(w.word) > maxLetters {
		return
	}
	var top [maxLetters + 1]uint8
	for i := range w.word {
		top[i+1] = uint8(i + 1)
	}
	w.down(0, v.len(), 0, &top, nil, 0)
}

// walk goes through the tree with one line of the table of edit distances for each letter, which the words with the same
// beginning share, and turns back where nothing below can be near.
type walk struct {
	v       *vocabulary
	word    []rune
	allowed uint8
	open    bool
	give    func(from, to int, mistakes uint8)
}

// down looks at the words from one place to another, which have their first depth bytes in common. line is the table's
// line of the last of these letters, above that of the one before.
func (w *walk) down(from, to, depth int, line, above *[maxLetters + 1]uint8, last rune) {
	n := len(w.word)
	if from < to && len(w.v.word(from)) == depth {
		if line[n] <= w.allowed {
			w.give(from, from+1, line[n])
		}
		from++
	}
	for from < to {
		letter, size := utf8.DecodeRuneInString(w.v.word(from)[depth:])
		end := w.same(from, to, depth, letter, size)
		if '0' <= letter && letter <= '9' {
			from = end
			continue
		}
		var next [maxLetters + 1]uint8
		next[0] = line[0] + 1
		least := next[0]
		for i, typed := range w.word {
			cost := line[i]
			if typed != letter {
				cost = 1 + min(line[i], line[i+1], next[i])
				if above != nil && i > 0 && typed == last && w.word[i-1] == letter {
					cost = min(cost, 1+above[i-1])
				}
			}
			next[i+1] = cost
			least = min(least, cost)
		}
		switch {
		case w.open && next[n] <= w.allowed:
			w.give(from, end, next[n])
		case least <= w.allowed || w.exchanged(line, letter):
			w.down(from, end, depth+size, &next, line, letter)
		}
		from = end
	}
}

// exchanged reports whether this letter can be the first of two that were exchanged: the line below may be better then.
func (w *walk) exchanged(line *[maxLetters + 1]uint8, letter rune) bool {
	for i := 1; i < len(w.word); i++ {
		if line[i-1] < w.allowed && w.word[i] == letter {
			return true
		}
	}
	return false
}

// same returns where the words end that have the letter after depth bytes.
func (w *walk) same(from, to, depth int, letter rune, size int) int {
	has := func(i int) bool {
		rest := w.v.word(i)[depth:]
		if size == 1 {
			return rest[0] == byte(letter)
		}
		r, _ := utf8.DecodeRuneInString(rest)
		return r == letter
	}
	step := 1
	for from+step < to && has(from+step) { // most words have few neighbours: look at these first
		step *= 2
	}
	low := from + step/2
	return low + 1 + sort.Search(min(from+step, to)-low-1, func(i int) bool { return !has(low + 1 + i) })
}

// shortened gives the words that a word is a short form of, such as natl of national: the same first and last letter, and
// the others in the same order.
func (v *vocabulary) shortened(word string, give func(i int)) {
	if len(word) < 3 {
		return
	}
	_, size := utf8.DecodeRuneInString(word)
	from, to := v.beginning(word[:size])
	for i := from; i < to; i++ {
		if full := v.word(i); len(full) > len(word) && len(full) <= 4*len(word) && isShortOf(word, full) {
			give(i)
		}
	}
}

func isShortOf(short, full string) bool {
	if short[len(short)-1] != full[len(full)-1] {
		return false
	}
	i := 0
	for j := 0; j < len(full) && i < len(short); j++ {
		if full[j] == short[i] {
			i++
		}
	}
	return i == len(short)
}
