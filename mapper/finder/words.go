package finder

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxLetters of a word count; what follows is not looked at.
const maxLetters = 32

// Words folds a text into the words by which it is found: lower case, without accents, apostrophes and the zeros before a
// number; whatever is neither letter nor digit parts two words. A script that is written without spaces gives pairs of
// letters.
func Words(text string) []string {
	return strings.FieldsFunc(plain(text), func(r rune) bool { return r == ' ' })
}

// plain is a text as words between single spaces, folded.
func plain(text string) string {
	for i := range len(text) {
		if text[i] >= 0x80 {
			text = norm.NFKD.String(strings.ToValidUTF8(text, " "))
			break
		}
	}
	f := folder{out: make([]byte, 0, len(text)+8)}
	for _, r := range text {
		f.add(r)
	}
	f.endWord()
	return string(f.out)
}

// folder writes one folded word after another.
type folder struct {
	out     []byte
	start   int  // of the word in out
	letters int  // of the word
	number  bool // the word has digits only
	pairs   bool // the word is of a script without spaces
	last    rune // letter of such a word
}

func (f *folder) add(r rune) {
	switch {
	case 'a' <= r && r <= 'z':
		f.letter(r, false)
	case 'A' <= r && r <= 'Z':
		f.letter(r+'a'-'A', false)
	case '0' <= r && r <= '9':
		f.letter(r, true)
	case r < 0x80:
		if r != '\'' {
			f.endWord()
		}
	case ignored(r):
	case unicode.IsDigit(r):
		f.letter(Digit(r), true)
	case unicode.IsLetter(r) || unicode.IsMark(r):
		if spelt, ok := spellings[unicode.ToLower(r)]; ok {
			for _, letter := range spelt {
				f.letter(letter, false)
			}
			return
		}
		f.letter(unicode.ToLower(r), false)
	default:
		f.endWord()
	}
}

func (f *folder) letter(r rune, isDigit bool) {
	if pairs := r >= 0xe00 && unicode.In(r, unspaced...); pairs != f.pairs && f.letters > 0 && !unicode.IsMark(r) {
		f.endWord()
		f.pairs = pairs
	} else if f.letters == 0 {
		f.pairs = pairs
	}
	if f.letters == 0 {
		f.number = true
	}
	if f.letters >= maxLetters {
		return
	}
	if f.pairs && f.letters >= 2 { // the next pair begins with the letter before
		f.out = append(f.out, ' ')
		f.out = utf8.AppendRune(f.out, f.last)
	}
	f.number = f.number && isDigit
	f.letters++
	f.last = r
	f.out = utf8.AppendRune(f.out, r)
}

func (f *folder) endWord() {
	if f.letters == 0 {
		return
	}
	if f.number {
		digits := f.out[f.start:]
		for len(digits) > 1 && digits[0] == '0' {
			digits = digits[1:]
		}
		f.out = append(f.out[:f.start], digits...)
	}
	f.out = append(f.out, ' ')
	f.start, f.letters = len(f.out), 0
}

// unspaced are the scripts that are written without spaces between words.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

// ignored reports whether a letter is not looked at: accents, vowel marks of scripts that are read without them,
// apostrophes, and what joins letters without being one. The vowel signs of Indian scripts are letters to a reader.
func ignored(r rune) bool {
	switch {
	case 0x300 <= r && r <= 0x36f, 0x483 <= r && r <= 0x487: // Latin, Greek, Cyrillic
		return true
	case 0x591 <= r && r <= 0x5c7, 0x610 <= r && r <= 0x61a, 0x64b <= r && r <= 0x65f, r == 0x670, 0x6d6 <= r && r <= 0x6ed: // Hebrew, Arabic
		return unicode.IsMark(r)
	case r == 0x93c || r == 0x9bc || r == 0xa3c || r == 0xabc || r == 0xb3c || r == 0xcbc: // the dots of Indian scripts
		return true
	}
	return r == 0x3099 || r == 0x309a || r == 0x640 || r == 0x200b || r == 0x200c || r == 0x200d || r == 0xfeff || r == 0xad || // voicing marks, tatweel, joiners, soft hyphen
		r == '’' || r == '‘' || r == 'ʼ' || r == 'ʻ' || r == '´'
}

// spellings are letters that people without them on their keyboard write in another way.
var spellings = map[rune]string{
	'ß': "ss", 'æ': "ae", 'œ': "oe", 'ø': "o", 'ł': "l", 'đ': "d", 'ð': "d", 'þ': "th", 'ħ': "h", 'ı': "i", 'ŋ': "ng", 'ə': "e",
	'ى': "ي", 'ة': "ه", 'ک': "ك", 'ی': "ي", 'ς': "σ", 'є': "е", 'ґ': "г",
}

// Digit is a digit of any script as one of ours.
func Digit(r rune) rune {
	for _, zeros := range unicode.Nd.R16 {
		if rune(zeros.Lo) <= r && r <= rune(zeros.Hi) {
			return '0' + (r-rune(zeros.Lo))%10
		}
	}
	for _, zeros := range unicode.Nd.R32 {
		if rune(zeros.Lo) <= r && r <= rune(zeros.Hi) {
			return '0' + (r-rune(zeros.Lo))%10
		}
	}
	return r
}
