package wire

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"spar/mapper"
)

// object reads an object and calls member for each of its names; member must read the value. It reports false if the
// value is not an object; then the value has been skipped.
func (p *parser) object(member func(name []byte) error) (bool, error) {
	if p.dec.PeekKind() != '{' {
		return false, p.skip()
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return false, err
	}
	for p.dec.PeekKind() != '}' {
		raw, err := p.dec.ReadValue()
		if err != nil {
			return false, err
		}
		name, err := unquoted(raw)
		if err != nil {
			return false, err
		}
		if err := member(name); err != nil {
			return false, err
		}
	}
	_, err := p.dec.ReadToken()
	return true, err
}

// unquoted returns what a JSON string says, without copying where nothing is escaped.
func unquoted(raw jsontext.Value) ([]byte, error) {
	if len(raw) >= 2 && bytes.IndexByte(raw, '\\') < 0 {
		return raw[1 : len(raw)-1], nil
	}
	return jsontext.AppendUnquote(nil, []byte(raw))
}

// skip reads any value, with the strictness that holds everywhere.
func (p *parser) skip() error {
	depth := p.dec.StackDepth()
	for {
		token, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		switch token.Kind() {
		case '0':
			if err := checkNumber(token.String()); err != nil {
				return err
			}
		case '{', '[':
			if p.dec.StackDepth() > maxDepth {
				return &SyntaxError{fmt.Sprintf("the body must not be nested deeper than %d levels", maxDepth)}
			}
		}
		if p.dec.StackDepth() == depth {
			return nil
		}
	}
}

// checkNumber refuses what a reader could take for another number: integers over 64 bits, and numbers beyond a double.
func checkNumber(number string) error {
	var err error
	if strings.ContainsAny(number, ".eE") {
		var f float64
		if f, err = strconv.ParseFloat(number, 64); err == nil && !math.IsInf(f, 0) {
			return nil
		}
	} else if _, err = strconv.ParseInt(number, 10, 64); err == nil {
		return nil
	} else if _, err = strconv.ParseUint(number, 10, 64); err == nil {
		return nil
	}
	return &SyntaxError{"numbers must fit in 64 bits"}
}

// text reads a string member; null counts as absent, another type as invalid.
func (p *parser) text(into *mapper.Text) error {
	switch p.dec.PeekKind() {
	case '"':
		raw, err := p.dec.ReadValue()
		if err != nil {
			return err
		}
		value, err := unquoted(raw)
		*into = mapper.String(string(value))
		return err
	case 'n':
		return p.skip()
	default:
		into.Present, into.Invalid = true, true
		return p.skip()
	}
}

// word reads a string member of the envelope that must be one.
func (p *parser) word(into *string, name string) error {
	var t mapper.Text
	if err := p.text(&t); err != nil {
		return err
	}
	if t.Invalid {
		p.problem("%s must be a text", name)
	}
	*into = t.Value
	return nil
}

// raw keeps a value as it stands in the body.
func (p *parser) raw(into *[]byte) error {
	start := p.dec.InputOffset()
	if err := p.skip(); err != nil {
		return err
	}
	// Between the name and its value there are a colon and white space.
	*into = bytes.Clone(bytes.TrimLeft(p.body[start:p.dec.InputOffset()], ": \t\r\n"))
	return nil
}
