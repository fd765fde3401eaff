package keymgr

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"iter"
	"slices"
)

// combinedUpTo is the size of body, in bytes, up to which mistakes in the encoding are tried together with those in the
// body: hundreds of attempts, each of which encodes and hashes it.
const combinedUpTo = 64 << 10

// attemptsAt lists what may have been signed: first what is right, then each mistake in the body, then mistakes in the
// encoding, by themselves and together with those in the body.
func attemptsAt(t token, body []byte) iter.Seq[attempt] {
	contents := append([]attempt{{signed: body}}, bodyMistakes(body)...)
	if t.full && !samePayload(t.payload, body) {
		contents = append([]attempt{{signed: t.payload, codes: []string{"own_payload"}}}, contents...)
	}
	return func(yield func(attempt) bool) {
		for _, content := range contents {
			if !yield(attempt{appendSigned(nil, t.header, content.signed), content.codes}) {
				return
			}
		}
		for _, content := range contents {
			if len(body) > combinedUpTo && len(content.codes) > 0 {
				continue
			}
			for _, encoded := range encodingMistakes(t, content.signed) {
				if !yield(attempt{encoded.signed, append(slices.Clone(content.codes), encoded.codes...)}) {
					return
				}
			}
		}
	}
}

// bodyMistakes are bodies that may have been signed in place of the one that was sent.
func bodyMistakes(body []byte) (list []attempt) {
	add := func(code string, other []byte) {
		if !bytes.Equal(other, body) {
			list = append(list, attempt{other, []string{code}})
		}
	}
	if forms, err := canonicalForms(body); err == nil {
		for _, form := range forms {
			list = append(list, attempt{signed: form}) // no mistake
		}
	}
	add("trailing_newline_added", bytes.TrimRight(body, "\r\n"))
	add("trailing_newline_missing", append(bytes.Clone(body), '\n'))
	add("trailing_newline_missing", append(bytes.Clone(body), "\r\n"...))
	lf := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	add("line_ends_lf", lf)
	add("line_ends_crlf", bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n")))
	add("byte_order_mark", append([]byte("\xef\xbb\xbf"), body...))
	for _, spelling := range otherSpellings(body) {
		if lost := bytes.ReplaceAll(spelling, []byte("\n"), nil); bytes.Equal(lost, bytes.TrimRight(body, "\n")) {
			add("line_ends_lost", spelling)
			add("line_ends_lost", append(bytes.Clone(spelling), '\n'))
			continue
		}
		add("other_spacing", spelling)
	}
	for _, other := range otherSignatureMembers(body) {
		add("signature_member", other)
		if form, err := Canonical(other); err == nil {
			add("signature_member", form)
		}
	}
	return list
}

// otherSpellings writes the same JSON as widespread libraries do.
func otherSpellings(body []byte) (list [][]byte) {
	var compact, two, four bytes.Buffer
	if json.Compact(&compact, body) == nil {
		list = append(list, compact.Bytes(), spaced(compact.Bytes()))
	}
	if json.Indent(&two, body, "", "  ") == nil && json.Indent(&four, body, "", "    ") == nil {
		list = append(list, two.Bytes(), four.Bytes())
	}
	if canonical, err := Canonical(body); err == nil {
		list = append(list, spaced(canonical), escaped(canonical), spaced(escaped(canonical)))
	}
	if compact.Len() > 0 {
		list = append(list, escaped(compact.Bytes()), spaced(escaped(compact.Bytes())))
	}
	return list
}

// spaced puts a blank behind each comma and colon outside of strings, as Python's json.dumps does.
func spaced(compact []byte) []byte {
	var out []byte
	text, escape := false, false
	for _, b := range compact {
		out = append(out, b)
		switch {
		case escape:
			escape = false
		case text && b == '\\':
			escape = true
		case b == '"':
			text = !text
		case !text && (b == ',' || b == ':'):
			out = append(out, ' ')
		}
	}
	return out
}

// escaped writes everything beyond ASCII as \u escapes, as Python's json.dumps does.
func escaped(text []byte) []byte {
	var out []byte
	for _, r := range string(text) {
		switch {
		case r < 0x80:
			out = append(out, byte(r))
		case r > 0xffff:
			r -= 0x10000
			out = appendEscape(appendEscape(out, 0xd800+r>>10), 0xdc00+r&0x3ff)
		default:
			out = appendEscape(out, r)
		}
	}
	return out
}

func appendEscape(to []byte, unit rune) []byte {
	return append(append(to, `\u`...), hex.EncodeToString([]byte{byte(unit >> 8), byte(unit)})...)
}

// otherSignatureMembers are the body with its member "signature" emptied, null or away.
func otherSignatureMembers(body []byte) (list [][]byte) {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members == nil {
		return nil
	}
	for _, value := range []string{`""`, `null`, ""} {
		if members["signature"] = json.RawMessage(value); value == "" {
			delete(members, "signature")
		}
		if other, err := json.Marshal(members); err == nil {
			list = append(list, other)
		}
	}
	return list
}

// encodingMistakes are byte strings that may have been signed in place of header.payload.
func encodingMistakes(t token, body []byte) (list []attempt) {
	add := func(code string, signed []byte) { list = append(list, attempt{signed, []string{code}}) }
	header := decodeLoosely(t.header)
	right := appendSigned(nil, t.header, body)
	add("body_only", body)
	add("body_not_encoded", append([]byte(t.header+"."), body...))
	add("body_not_encoded", append(append(bytes.Clone(header), '.'), body...))
	add("payload_only", right[len(t.header)+1:])
	add("empty_payload", []byte(t.header+"."))
	add("empty_payload", []byte(t.header+".."))
	add("empty_payload", []byte(t.header))
	for _, h := range []*base64.Encoding{base64.RawURLEncoding, base64.URLEncoding, base64.StdEncoding, base64.RawStdEncoding} {
		for _, p := range []*base64.Encoding{base64.RawURLEncoding, base64.URLEncoding, base64.StdEncoding, base64.RawStdEncoding} {
			if signed := []byte(h.EncodeToString(header) + "." + p.EncodeToString(body)); !bytes.Equal(signed, right) {
				add("standard_base64_payload", signed)
			}
		}
	}
	sum, twice := sha256.Sum256(body), sha256.Sum256(right)
	add("hashed_twice", twice[:])
	add("hashed_twice", []byte(hex.EncodeToString(twice[:])))
	add("body_hashed", sum[:])
	add("body_hashed", []byte(hex.EncodeToString(sum[:])))
	add("body_hashed", appendSigned(nil, t.header, sum[:]))
	add("body_hashed", appendSigned(nil, t.header, []byte(hex.EncodeToString(sum[:]))))
	return list
}
