// Package wire owns the JSON of the partner API: it reads an envelope of the G2P Connect Financial Address Mapper 1.0.0
// into a message for the mapper, and writes the answer. It decides nothing about links and checks no signature; nothing
// else reads or writes this format.
package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"spar/mapper"
)

// Limits of an envelope.
const (
	maxDepth    = 32
	maxIDLength = 99 // message_id and transaction_id, in bytes; the definition's limit of a transaction_id
)

// Limits is the action of a message that asks for the sender's own limits. It is not of the definition; its envelope has a
// header only.
const Limits mapper.Action = "limits"

// Request is an envelope as it was read: the one value that is verified and acted on.
type Request struct {
	Action        mapper.Action // that of the path
	Header        Header
	TransactionID string
	Items         []mapper.Item // at most as many as the limit
	Count         int           // of all items, also those over the limit
	Encrypted     bool          // is_msg_encrypted

	// Problem says what is wrong with the envelope's members, if anything. It is told only to a caller whose signature
	// was verified.
	Problem string
}

// Header is the message header as sent.
type Header struct {
	Version    mapper.Text
	MessageID  string
	MessageTS  mapper.Text
	Action     mapper.Text
	SenderID   string // empty if absent or not a string
	ReceiverID string
	TotalCount int64 // 0: not stated; negative: not a count
}

// SyntaxError says that a body is not the JSON that is accepted at all. Its text contains nothing of the body.
type SyntaxError struct{ Expected string }

func (e *SyntaxError) Error() string { return e.Expected }

// listMember is the name of the list of items in message, by action.
func listMember(action mapper.Action) string { return string(action) + "_request" }

// Parse reads the body of a call whose path names the action. It reads strictly, once, and by exact names: duplicate
// names at any depth, invalid UTF-8, trailing bytes, nesting deeper than 32 and numbers that would not survive reading
// are a *SyntaxError. Members it does not know are checked in the same way and ignored. At most maxItems items are kept.
func Parse(action mapper.Action, body []byte, maxItems int) (*Request, error) {
	p := parser{body: body, dec: jsontext.NewDecoder(bytes.NewBuffer(body)), request: &Request{Action: action}, maxItems: maxItems}
	if err := p.envelope(); err != nil {
		if syntax, ok := errors.AsType[*SyntaxError](err); ok {
			return nil, syntax
		}
		return nil, &SyntaxError{"the body must be one JSON object in UTF-8, without duplicate names"}
	}
	return p.request, nil
}

type parser struct {
	body     []byte
	dec      *jsontext.Decoder
	request  *Request
	maxItems int
}

// problem records the first thing that is wrong with the envelope.
func (p *parser) problem(format string, args ...any) {
	if p.request.Problem == "" {
		p.request.Problem = fmt.Sprintf(format, args...)
	}
}

func (p *parser) envelope() error {
	hasHeader, hasMessage := false, false
	isObject, err := p.object(func(name []byte) (err error) {
		switch string(name) {
		case "header":
			hasHeader, err = p.object(p.headerMember)
		case "message":
			hasMessage, err = p.object(p.messageMember)
		case "signature":
			var ignored string // the signature is in the http header
			err = p.word(&ignored, "signature")
		default:
			err = p.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	if !isObject {
		return &SyntaxError{"the body must be a JSON object with header and message"}
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return &SyntaxError{"nothing may follow the JSON object"}
	}
	p.checkEnvelope(hasHeader, hasMessage)
	return nil
}

func (p *parser) checkEnvelope(hasHeader, hasMessage bool) {
	r := p.request
	switch {
	case !hasHeader:
		p.problem("header must be an object")
	case !hasMessage && r.Action != Limits:
		p.problem("message must be an object")
	case !isName(r.Header.MessageID):
		p.problem("header.message_id must be a text of 1 to %d characters", maxIDLength)
	case r.Encrypted, r.Action == Limits:
		return // the message is not in the clear, or there is none
	case !isName(r.TransactionID):
		p.problem("message.transaction_id must be a text of 1 to %d characters", maxIDLength)
	case r.Items == nil:
		p.problem("message.%s must be a list", listMember(r.Action))
	}
}

func isName(value string) bool {
	return value != "" && len(value) <= maxIDLength && !strings.ContainsFunc(value, unicode.IsControl)
}

func (p *parser) headerMember(name []byte) error {
	h := &p.request.Header
	switch string(name) {
	case "version":
		return p.text(&h.Version)
	case "message_id":
		return p.word(&h.MessageID, "header.message_id")
	case "message_ts":
		return p.text(&h.MessageTS)
	case "action":
		return p.text(&h.Action)
	case "sender_id":
		return p.word(&h.SenderID, "header.sender_id")
	case "receiver_id":
		return p.word(&h.ReceiverID, "header.receiver_id")
	case "total_count":
		return p.count(&h.TotalCount)
	case "is_msg_encrypted":
		kind := p.dec.PeekKind()
		p.request.Encrypted = kind == 't'
		if kind != 't' && kind != 'f' && kind != 'n' {
			p.problem("header.is_msg_encrypted must be true or false")
		}
		return p.skip()
	default:
		return p.skip()
	}
}

func (p *parser) count(into *int64) error {
	if kind := p.dec.PeekKind(); kind != '0' {
		if kind != 'n' {
			*into = -1
		}
		return p.skip()
	}
	token, err := p.dec.ReadToken()
	if err != nil {
		return err
	}
	number := token.String()
	if err := checkNumber(number); err != nil {
		return err
	}
	if *into, err = strconv.ParseInt(number, 10, 64); err != nil {
		*into = -1
	}
	return nil
}

func (p *parser) messageMember(name []byte) error {
	switch string(name) {
	case "transaction_id":
		return p.word(&p.request.TransactionID, "message.transaction_id")
	case listMember(p.request.Action):
		return p.items()
	default:
		return p.skip()
	}
}

func (p *parser) items() error {
	if p.dec.PeekKind() != '[' {
		return p.skip()
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	p.request.Items = []mapper.Item{}
	for p.dec.PeekKind() != ']' {
		p.request.Count++
		if len(p.request.Items) == p.maxItems {
			if err := p.skip(); err != nil {
				return err
			}
			continue
		}
		// An item that is no object stays empty, and is answered like any other bad item.
		p.request.Items = append(p.request.Items, mapper.Item{})
		item := &p.request.Items[len(p.request.Items)-1]
		if _, err := p.object(func(name []byte) error { return p.itemMember(item, name) }); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

func (p *parser) itemMember(item *mapper.Item, name []byte) error {
	switch string(name) {
	case "reference_id":
		return p.text(&item.ReferenceID)
	case "timestamp":
		return p.text(&item.Timestamp)
	case "id":
		return p.text(&item.ID)
	case "fa":
		return p.text(&item.FA)
	case "scope":
		return p.text(&item.Scope)
	case "name":
		return p.text(&item.Name)
	case "phone_number":
		return p.text(&item.Phone)
	case "locale":
		return p.text(&item.Locale)
	case "additional_info":
		return p.info(item)
	case "portal":
		return p.said(item)
	default:
		return p.skip()
	}
}

// info reads a list of name/value pairs; whatever else it finds makes the item's additional_info invalid.
func (p *parser) info(item *mapper.Item) error {
	if kind := p.dec.PeekKind(); kind != '[' {
		item.InfoInvalid = kind != 'n'
		return p.skip()
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for p.dec.PeekKind() != ']' {
		var pair mapper.Attribute
		var label mapper.Text
		isObject, err := p.object(func(name []byte) error {
			switch string(name) {
			case "name":
				return p.text(&label)
			case "value":
				return p.raw(&pair.Value)
			default:
				return p.skip()
			}
		})
		if err != nil {
			return err
		}
		pair.Name = label.Value
		if !isObject || label.Invalid || pair.Value == nil {
			item.InfoInvalid = true
			continue
		}
		item.AdditionalInfo = append(item.AdditionalInfo, pair)
	}
	_, err := p.dec.ReadToken()
	return err
}
