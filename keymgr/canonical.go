package keymgr

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deeply arrays and objects of a message may nest; the outermost one is level 1.
const MaxDepth = 32

// ErrNotCanonical says that a body has no canonical form: it is not strict JSON, or holds a number that Python and Go
// would not print alike. It never repeats the body.
var ErrNotCanonical = errors.New("no canonical form")

// Canonical returns the form of a JSON body that Python clients sign: byte for byte what
// orjson.dumps(json.loads(body), option=orjson.OPT_SORT_KEYS) prints. Names are sorted by code point, there are no
// spaces, text is UTF-8 with only the escapes JSON demands, integers are exact to 64 bits, and other numbers are the
// shortest that round-trip ("1.0", "1e16", "1e-7", "-0.0").
//
// It returns [ErrNotCanonical] rather than guess: for duplicate names, invalid UTF-8, lone surrogates, integers beyond 64
// bits, numbers beyond the range of a double, nesting beyond [MaxDepth], and anything after the value.
func Canonical(body []byte) ([]byte, error) {
	c := newCanonicalizer(body)
	return c.document(len(body))
}

// canonicalForms returns the canonical form of a body, and a second one where orjson's versions differ: since 3.11.7 it
// writes a positive exponent with a plus sign ("1e+16").
func canonicalForms(body []byte) ([][]byte, error) {
	c := newCanonicalizer(body)
	first, err := c.document(len(body))
	if err != nil {
		return nil, err
	}
	if !c.positiveExponent {
		return [][]byte{first}, nil
	}
	c = newCanonicalizer(body)
	c.plus = true
	second, err := c.document(len(body))
	if err != nil {
		return nil, err
	}
	return [][]byte{first, second}, nil
}

// canonicalizer renders each value behind the ones before it in one buffer, and puts the members of an object into
// order where they lie; most clients send them sorted or nearly so, and nothing is allocated per value.
type canonicalizer struct {
	in               *jsontext.Decoder
	out              []byte
	names            []byte   // unquoted names of the objects being rendered, innermost last
	members          []member // their members, innermost last
	spare            []byte   // where members are put into order
	plus             bool     // write 1e+16, not 1e16
	positiveExponent bool     // there was such a number
}

// member is a rendered `"name":value` between two offsets of the output.
type member struct {
	nameStart, nameEnd int
	start, end         int
}

func newCanonicalizer(body []byte) *canonicalizer {
	// A bytes.Buffer is parsed in place.
	return &canonicalizer{in: jsontext.NewDecoder(bytes.NewBuffer(body))}
}

func (c *canonicalizer) document(size int) ([]byte, error) {
	c.out = make([]byte, 0, size)
	if err := c.value(); err != nil {
		return nil, err
	}
	if _, err := c.in.ReadToken(); err != io.EOF {
		return nil, fmt.Errorf("%w: %w", ErrNotCanonical, Say("value_after", "something follows the value"))
	}
	return c.out, nil
}

func (c *canonicalizer) value() error {
	switch c.in.PeekKind() {
	case '{':
		return c.object()
	case '[':
		return c.array()
	}
	raw, err := c.in.ReadValue()
	if err != nil {
		return notJSON(err)
	}
	switch raw.Kind() {
	case '"':
		return c.text(raw)
	case '0':
		return c.number(string(raw))
	default: // null, true, false
		c.out = append(c.out, raw...)
		return nil
	}
}

// open reads the '{' or '[' that is known to come next.
func (c *canonicalizer) open() error {
	token, err := c.in.ReadToken()
	if err != nil {
		return notJSON(err)
	}
	if c.in.StackDepth() > MaxDepth {
		return fmt.Errorf("%w: %w", ErrNotCanonical, Say("nested", "nested deeper than %d levels", MaxDepth))
	}
	c.out = append(c.out, byte(token.Kind()))
	return nil
}

func (c *canonicalizer) array() error {
	if err := c.open(); err != nil {
		return err
	}
	for first := true; c.in.PeekKind() != ']'; first = false {
		if !first {
			c.out = append(c.out, ',')
		}
		if err := c.value(); err != nil {
			return err
		}
	}
	return c.close(']')
}

func (c *canonicalizer) object() error {
	if err := c.open(); err != nil {
		return err
	}
	outerNames, outerMembers, start := len(c.names), len(c.members), len(c.out)
	for c.in.PeekKind() != '}' {
		if err := c.member(); err != nil {
			return err
		}
	}
	c.arrange(c.members[outerMembers:], start)
	c.names, c.members = c.names[:outerNames], c.members[:outerMembers]
	return c.close('}')
}

func (c *canonicalizer) close(with byte) error {
	if _, err := c.in.ReadToken(); err != nil {
		return notJSON(err)
	}
	c.out = append(c.out, with)
	return nil
}

// member renders one member and the comma after it, and remembers where.
func (c *canonicalizer) member() error {
	raw, err := c.in.ReadValue()
	if err != nil {
		return notJSON(err)
	}
	m := member{nameStart: len(c.names), start: len(c.out)}
	if c.names, err = jsontext.AppendUnquote(c.names, raw); err != nil {
		return notJSON(err)
	}
	m.nameEnd = len(c.names)
	c.out = appendText(c.out, c.names[m.nameStart:])
	c.out = append(c.out, ':')
	if err := c.value(); err != nil {
		return err
	}
	m.end = len(c.out)
	c.out = append(c.out, ',')
	c.members = append(c.members, m)
	return nil
}

// arrange sorts the members rendered from start on and drops the comma after the last one. Bytes of UTF-8 sort like
// the code points they encode.
func (c *canonicalizer) arrange(members []member, start int) {
	if len(members) == 0 {
		return
	}
	c.out = c.out[:len(c.out)-1]
	byName := func(a, b member) int {
		return bytes.Compare(c.names[a.nameStart:a.nameEnd], c.names[b.nameStart:b.nameEnd])
	}
	if slices.IsSortedFunc(members, byName) {
		return
	}
	slices.SortFunc(members, byName)
	c.spare = c.spare[:0]
	for i, m := range members {
		if i > 0 {
			c.spare = append(c.spare, ',')
		}
		c.spare = append(c.spare, c.out[m.start:m.end]...)
	}
	c.out = append(c.out[:start], c.spare...)
}

// text appends a string. One without escapes is already what orjson prints: the decoder has checked that it is UTF-8
// without control characters.
func (c *canonicalizer) text(raw []byte) error {
	if !bytes.ContainsRune(raw, '\\') {
		c.out = append(c.out, raw...)
		return nil
	}
	unquoted, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return notJSON(err)
	}
	c.out = appendText(c.out, unquoted)
	return nil
}

// appendText quotes valid UTF-8 with the escapes that JSON demands and no others (RFC 8259 section 7).
func appendText(to, text []byte) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	for _, b := range text {
		switch {
		case b == '"' || b == '\\':
			to = append(to, '\\', b)
		case b >= ' ':
			to = append(to, b)
		case b == '\b':
			to = append(to, '\\', 'b')
		case b == '\t':
			to = append(to, '\\', 't')
		case b == '\n':
			to = append(to, '\\', 'n')
		case b == '\f':
			to = append(to, '\\', 'f')
		case b == '\r':
			to = append(to, '\\', 'r')
		default:
			to = append(to, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
	}
	return append(to, '"')
}

// number appends a number as Python would hold it: an int where there is neither fraction nor exponent, a float else.
func (c *canonicalizer) number(text string) error {
	if strings.ContainsAny(text, ".eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNotCanonical, Say("number_range", "number beyond the range of a double"))
		}
		c.float(f)
		return nil
	}
	if text == "-0" { // an int in Python
		text = "0"
	}
	if _, err := strconv.ParseInt(text, 10, 64); err != nil {
		if _, err := strconv.ParseUint(text, 10, 64); err != nil {
			return fmt.Errorf("%w: %w", ErrNotCanonical, Say("integer_range", "integer beyond 64 bits"))
		}
	}
	c.out = append(c.out, text...)
	return nil
}

// float appends the shortest digits that round-trip: in positional notation where the decimal point falls at most five
// zeros before or sixteen digits after the first digit, otherwise with an exponent.
func (c *canonicalizer) float(f float64) {
	if exponent := decimalExponent(f); -5 <= exponent && exponent <= 15 {
		start := len(c.out)
		c.out = strconv.AppendFloat(c.out, f, 'f', -1, 64)
		if bytes.IndexByte(c.out[start:], '.') < 0 {
			c.out = append(c.out, ".0"...)
		}
		return
	}
	// Go pads the exponent to two digits and always signs it: 1e+16, 1e-07.
	var digits [32]byte
	mantissa, exponent, _ := bytes.Cut(strconv.AppendFloat(digits[:0], f, 'e', -1, 64), []byte{'e'})
	c.out = append(append(c.out, mantissa...), 'e')
	if exponent[0] == '+' {
		c.positiveExponent = true
	}
	if exponent[0] == '-' || c.plus {
		c.out = append(c.out, exponent[0])
	}
	c.out = append(c.out, bytes.TrimLeft(exponent[1:], "0")...)
}

// decimalExponent is the power of ten of the first digit of f's shortest form.
func decimalExponent(f float64) int {
	if f == 0 {
		return 0
	}
	if a := math.Abs(f); 1e-4 <= a && a < 1e15 { // certain without printing it
		return 0
	}
	var digits [32]byte
	text := strconv.AppendFloat(digits[:0], f, 'e', -1, 64)
	exponent, err := strconv.Atoi(string(text[bytes.IndexByte(text, 'e')+1:]))
	if err != nil {
		return math.MaxInt
	}
	return exponent
}

// notJSON keeps the library's description, which has the offset but may repeat a name of the body, out of the error.
func notJSON(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return fmt.Errorf("%w: %w", ErrNotCanonical, Say("duplicate_name", "duplicate name"))
	}
	return fmt.Errorf("%w: %w", ErrNotCanonical, Say("not_json", "not strict JSON"))
}
