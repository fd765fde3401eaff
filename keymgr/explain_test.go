package keymgr_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
)

func (h *house) explain(t testing.TB, sender, body string, signature ...string) keymgr.Explanation {
	t.Helper()
	e := h.Explain(t.Context(), keymgr.Signed{Sender: sender, Signature: signature, Body: []byte(body)})
	if e.Fault != nil || len(e.Steps) != 4 {
		t.Fatalf("got %+v", e)
	}
	return e
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func passed(e keymgr.Explanation) string {
	var names string
	for _, step := range e.Steps {
		if step.Passed {
			names += step.Name
		}
	}
	return names
}

func TestExplainShowsTheFourSteps(t *testing.T) {
	h := newHouse(t)
	e := h.explain(t, "PARTNER-A", body, h.key.Detached(t, []byte(body)))
	if !e.Verified || e.Reason != "" || passed(e) != "ABCD" || len(e.Hints) != 0 {
		t.Fatalf("got %+v", e)
	}
	header := b64([]byte(`{"alg":"RS256","typ":"JWT"}`))
	a, b, c, d := e.Steps[0].Token, e.Steps[1].Key, e.Steps[2].Signature, e.Steps[3].Body
	if a.Form != "detached" || a.Header != `{"alg":"RS256","typ":"JWT"}` || a.Algorithm != "RS256" || a.SignatureBytes != 256 {
		t.Errorf("A: %+v", a)
	}
	if !b.Known || b.Status != keymgr.Active || len(b.Certificates) != 1 || !b.Certificates[0].Usable || !b.Certificates[0].Picked ||
		b.Certificates[0].Fingerprint != h.partner.Certificates[0].Fingerprint || b.Certificates[0].Subject != "CN=test partner" || b.Certificates[0].Key != "RSA 2048" {
		t.Errorf("B: %+v", b)
	}
	want := sha(header + "." + b64([]byte(body)))
	if c.Method != "RSASSA-PKCS1-v1_5" || c.Hash != want || c.Certificate != h.partner.Certificates[0].Fingerprint {
		t.Errorf("C: %+v, want hash %s", c, want)
	}
	if d.Matched != keymgr.FormAsSent || len(d.Forms) != 2 || d.Forms[0].Hash != want || d.Forms[0].Bytes != len(body) ||
		d.Forms[1].Name != keymgr.FormCanonical || d.Forms[1].Hash != sha(header+"."+b64([]byte(canonicalBody))) {
		t.Errorf("D: %+v", d)
	}
}

func TestExplainSaysWhichFormMatched(t *testing.T) {
	h := newHouse(t)
	for name, c := range map[string]struct{ signature, body, want string }{
		"canonical":          {h.key.Detached(t, []byte(canonicalBody)), body, keymgr.FormCanonical},
		"canonical as sent":  {h.key.Detached(t, []byte(canonicalBody)), canonicalBody, keymgr.FormAsSent},
		"exponent with plus": {h.key.Detached(t, []byte(`{"a":1e+16}`)), `{"a": 1e16}`, keymgr.FormCanonicalPlus},
		"full":               {h.key.Full(t, []byte(body)), body, keymgr.FormAsSent},
		"full canonical":     {h.key.Full(t, []byte(canonicalBody)), body, keymgr.FormCanonical},
		"full, own spelling": {h.key.Full(t, []byte(body)), canonicalBody, keymgr.FormToken},
	} {
		e := h.explain(t, "PARTNER-A", c.body, c.signature)
		d := e.Steps[3].Body
		i := slices.IndexFunc(d.Forms, func(f keymgr.FormEvidence) bool { return f.Name == d.Matched })
		if !e.Verified || d.Matched != c.want || d.Forms[i].Hash != e.Steps[2].Signature.Hash {
			t.Errorf("%s: got %+v with hash %s, want %s", name, d, e.Steps[2].Signature.Hash, c.want)
		}
	}
}

func TestExplainTellsAChangedBodyFromAWrongKey(t *testing.T) {
	h := newHouse(t)
	changed := strings.Replace(body, "PARTNER-A", "PARTNER-B", 1)
	e := h.explain(t, "PARTNER-A", changed, h.key.Detached(t, []byte(body)))
	header := b64([]byte(`{"alg":"RS256","typ":"JWT"}`))
	if passed(e) != "ABC" || e.Reason != keymgr.Tampered || e.Steps[2].Signature.Hash != sha(header+"."+b64([]byte(body))) ||
		e.Steps[3].Body.Forms[0].Hash != sha(header+"."+b64([]byte(changed))) || codes(e) != "other_content" {
		t.Errorf("changed body: %s %+v", passed(e), e)
	}
	other := keytest.RSA(t, 1)
	other.Onboard(t, h.register, "PARTNER-B")
	e = h.explain(t, "PARTNER-A", body, other.Detached(t, []byte(body)))
	if passed(e) != "AB" || e.Steps[2].Signature.Certificate != "" || codes(e) != "other_key" {
		t.Errorf("wrong key: %s %+v", passed(e), e)
	}
	if text, err := json.Marshal(e); err != nil || strings.Contains(string(text), "PARTNER-B") {
		t.Errorf("the explanation names the other partner: %s, %v", text, err)
	}
}

func codes(e keymgr.Explanation) string {
	var list []string
	for _, hint := range e.Hints {
		list = append(list, hint.Code)
	}
	return strings.Join(list, " ")
}

func TestExplainShowsTheFirstDifference(t *testing.T) {
	h := newHouse(t)
	changed := strings.Replace(canonicalBody, "Äb€", "Äc€", 1)
	e := h.explain(t, "PARTNER-A", changed, h.key.Full(t, []byte(canonicalBody)))
	d := e.Steps[3].Body
	if e.Reason != keymgr.OtherPayload || d.SamePayload == nil || *d.SamePayload || d.FirstDifference == nil {
		t.Fatalf("got %+v", e)
	}
	at := strings.Index(canonicalBody, "b€")
	if d.FirstDifference.Offset != at || !strings.Contains(d.FirstDifference.Payload, `"Äb€`) || !strings.Contains(d.FirstDifference.Body, `"Äc€`) {
		t.Errorf("difference: %+v, want offset %d", d.FirstDifference, at)
	}
	if codes(e) != "own_payload" {
		t.Errorf("hints: %s", codes(e))
	}
	// Not byte for byte, and yet the same.
	e = h.explain(t, "PARTNER-A", body, h.key.Full(t, []byte(canonicalBody)))
	if d := e.Steps[3].Body; !e.Verified || !*d.SamePayload || d.FirstDifference.Offset != 2 {
		t.Errorf("the same in another spelling: %+v", d)
	}
	e = h.explain(t, "PARTNER-A", canonicalBody, h.key.Full(t, []byte(canonicalBody)))
	if d := e.Steps[3].Body; !*d.SamePayload || d.FirstDifference != nil {
		t.Errorf("the same: %+v", d)
	}
	e = h.explain(t, "PARTNER-A", "{}\n\x00\xff", h.key.Full(t, []byte("{}")))
	if d := e.Steps[3].Body.FirstDifference; d == nil || d.Offset != 2 || d.Body != `{}\n\x00\xff` || d.Payload != "{}" {
		t.Errorf("longer and not printable: %+v", d)
	}
}

func TestExplainShowsEveryCertificate(t *testing.T) {
	h := newHouse(t)
	revoked, replaced, future := keytest.RSA(t, 1), keytest.RSA(t, 2), keytest.RSA(t, 3)
	now := h.clock.now()
	h.clock.advance(time.Millisecond)
	add := func(key keytest.Key, from, to time.Time, options ...keymgr.CertificateOption) keymgr.Certificate {
		c, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", key.CertificateFor(t, from, to), options...)
		must(t, err)
		h.clock.advance(time.Millisecond)
		return c
	}
	c := add(revoked, now.Add(-time.Hour), now.Add(240*time.Hour), keymgr.Beside())
	must(t, h.register.RevokeCertificate(t.Context(), audittest.By, "PARTNER-A", c.Fingerprint))
	add(replaced, now.Add(-time.Hour), now.Add(240*time.Hour), keymgr.Beside())
	add(keytest.EC(t), now.Add(-time.Hour), now.Add(240*time.Hour), keymgr.WithOverlap(0))
	h.clock.advance(24 * time.Hour) // the first one, for a day, expires
	add(future, now.Add(72*time.Hour), now.Add(240*time.Hour), keymgr.Beside())
	add(keytest.RSA(t, 4), now.Add(-time.Hour), now.Add(240*time.Hour), keymgr.Beside())

	want := []keymgr.Reason{"", keymgr.NotYetValid, keymgr.BadAlgorithm, keymgr.Replaced, keymgr.Revoked, keymgr.Expired} // the newest first
	e := h.explain(t, "PARTNER-A", body, revoked.Detached(t, []byte(body)))
	var got []keymgr.Reason
	for _, c := range e.Steps[1].Key.Certificates {
		got = append(got, c.Reason)
		if c.Usable != (c.Reason == "") || (c.RevokedAt != nil) != (c.Reason == keymgr.Revoked) || c.Reason == keymgr.Replaced && c.ValidTo == nil {
			t.Errorf("certificate %+v", c)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("certificates are %v, want %v", got, want)
	}
	// The revoked one is older than the three that Verify tries, and yet people see whose key it was.
	if passed(e) != "ABC" || e.Steps[2].Signature.Certificate != c.Fingerprint {
		t.Errorf("signed by the revoked one: %s %+v", passed(e), e.Steps[2].Signature)
	}

	standing, err := h.Standing(t.Context(), "PARTNER-A")
	must(t, err)
	if len(standing) != len(want) || standing[2].Reason != "" || standing[3].Reason != keymgr.Replaced {
		t.Errorf("standing: %+v", standing)
	}
	_, err = h.Standing(t.Context(), "NOBODY")
	wantErr(t, "standing of nobody", err, keymgr.ErrNotFound)
}

func TestExplainOfWhatIsNoToken(t *testing.T) {
	h := newHouse(t)
	good := h.key.Detached(t, []byte(body))
	header, signature := parts(good)
	for name, c := range map[string]struct {
		signature []string
		reason    keymgr.Reason
		header    string
	}{
		"nothing":     {nil, keymgr.SignatureMissing, ""},
		"empty":       {[]string{""}, keymgr.SignatureMissing, ""},
		"two":         {[]string{good, good}, keymgr.Malformed, ""},
		"two parts":   {[]string{header + "." + signature}, keymgr.Malformed, `{"alg":"RS256","typ":"JWT"}`},
		"no base64":   {[]string{"???..x"}, keymgr.Malformed, ""},
		"x5c":         {[]string{b64([]byte(`{"alg":"RS256","x5c":["x"]}`)) + ".." + signature}, keymgr.Malformed, `{"alg":"RS256","x5c":["x"]}`},
		"none":        {[]string{b64([]byte(`{"alg":"none"}`)) + "..eA"}, keymgr.BadAlgorithm, `{"alg":"none"}`},
		"not JSON":    {[]string{b64([]byte("a\x1bb\n")) + "..eA"}, keymgr.Malformed, `a\x1bb\n`},
		"huge header": {[]string{b64(bytes.Repeat([]byte("x"), 5000)) + "..eA"}, keymgr.Malformed, strings.Repeat("x", 1024)},
	} {
		e := h.explain(t, "PARTNER-A", body, c.signature...)
		if e.Verified || e.Reason != c.reason || passed(e) != "B" || e.Steps[2].Reached || e.Steps[3].Reached {
			t.Errorf("%s: got %+v", name, e)
		}
		if token := e.Steps[0].Token; (token == nil && c.header != "") || token != nil && token.Header != c.header {
			t.Errorf("%s: header %+v, want %q", name, token, c.header)
		}
	}
}

func TestExplainOfStrangersAndTheSuspended(t *testing.T) {
	h := newHouse(t)
	signature := h.key.Detached(t, []byte(body))
	e := h.explain(t, "NOBODY", body, signature)
	if e.Reason != keymgr.UnknownSender || passed(e) != "A" || e.Steps[1].Key.Known {
		t.Errorf("unknown sender: %+v", e)
	}
	must(t, h.register.SetStatus(t.Context(), audittest.By, "PARTNER-A", keymgr.Suspended))
	e = h.explain(t, "PARTNER-A", body, signature)
	if e.Reason != keymgr.SenderSuspended || passed(e) != "AC" || e.Steps[1].Key.Status != keymgr.Suspended || len(e.Hints) != 0 {
		t.Errorf("suspended: %s %+v", passed(e), e)
	}
}

func TestExplainOtherAlgorithms(t *testing.T) {
	h := newHouse(t)
	for reference, c := range map[string]struct {
		key    keytest.Key
		method string
	}{"EC": {keytest.EC(t), "ECDSA"}, "ED": {keytest.Ed25519(t), "Ed25519"}} {
		c.key.Onboard(t, h.register, reference)
		e := h.explain(t, reference, body, c.key.Detached(t, []byte(body)))
		if s := e.Steps[2]; !e.Verified || passed(e) != "ABCD" || s.Signature.Method != c.method || s.Signature.Hash != "" || s.Detail == nil {
			t.Errorf("%s: %+v", reference, e)
		}
		if e := h.explain(t, reference, body+"x", c.key.Detached(t, []byte(body))); passed(e) != "AB" {
			t.Errorf("%s changed: %s", reference, passed(e))
		}
	}
	key := keytest.RSA(t, 5)
	_, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "PSS", Status: keymgr.Active}, key.Certificate(t), keymgr.As("PS256"))
	must(t, err)
	for _, signed := range []string{body, canonicalBody, "something else"} {
		value, err := keymgr.SignWith(key.Signer, "PS256", "", []byte(signed), true)
		must(t, err)
		e := h.explain(t, "PSS", body, value)
		c, d := e.Steps[2].Signature, e.Steps[3].Body
		matches := slices.IndexFunc(d.Forms, func(f keymgr.FormEvidence) bool { return f.Hash == c.Hash })
		if c.Method != "RSASSA-PSS" || len(c.Salt) != 64 || e.Verified != (matches >= 0) || e.Verified && d.Forms[matches].Name != d.Matched {
			t.Errorf("PS256 of %.20q: %+v %+v", signed, c, d)
		}
	}
}

// Explaining changes nothing, so it can be asked on a register that cannot be written.
func TestExplainOnAReadOnlyRegister(t *testing.T) {
	h := newHouse(t)
	h.Local = keymgr.NewLocal(keymgr.NewRegister(h.register.Database(), application, nil, h.clock.now))
	_, err := h.register.Database().ExecContext(t.Context(), `PRAGMA query_only = 1`)
	must(t, err)
	if e := h.explain(t, "PARTNER-A", body, h.key.Detached(t, []byte(body))); !e.Verified {
		t.Errorf("got %+v", e)
	}
}

func TestExplainFault(t *testing.T) {
	h := newHouse(t)
	must(t, h.register.Database().Close())
	e := h.Explain(t.Context(), keymgr.Signed{Sender: "PARTNER-A", Signature: []string{h.key.Detached(t, []byte(body))}, Body: []byte(body)})
	if e.Fault == nil || e.Verified {
		t.Errorf("got %+v", e)
	}
}

// signedAs makes a token whose signature is over other bytes than it should be.
func signedAs(t testing.TB, key keytest.Key, header string, signed []byte) string {
	t.Helper()
	sum := sha256.Sum256(signed)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key.Signer.(*rsa.PrivateKey), crypto.SHA256, sum[:])
	must(t, err)
	return b64([]byte(header)) + ".." + b64(signature)
}

func TestExplainHints(t *testing.T) {
	h := newHouse(t)
	const header = `{"alg":"RS256"}`
	h64 := b64([]byte(header))
	lines := "{\n  \"a\": \"ä\",\n  \"signature\": \"x\"\n}"
	rightly := h.key.Detached(t, []byte(body))
	sum := sha256.Sum256([]byte(body))
	twice := sha256.Sum256([]byte(h64 + "." + b64([]byte(body))))
	std := base64.StdEncoding.EncodeToString
	for name, c := range map[string]struct{ signature, body, want string }{
		"newline sent":            {rightly, body + "\n", "trailing_newline_added"},
		"newline signed":          {h.key.Detached(t, []byte(body+"\n")), body, "trailing_newline_missing"},
		"CRLF sent":               {h.key.Detached(t, []byte("{\n}\n{")), "{\r\n}\r\n{", "line_ends_lf"},
		"CRLF signed":             {h.key.Detached(t, []byte("{\r\n}\r\n{")), "{\n}\n{", "line_ends_crlf"},
		"line breaks lost":        {h.key.Detached(t, []byte("{\n  \"a\": 1\n}\n")), "{  \"a\": 1}", "line_ends_lost"},
		"byte order mark":         {h.key.Detached(t, []byte("\xef\xbb\xbf"+body)), body, "byte_order_mark"},
		"compact signed":          {h.key.Detached(t, []byte(`{"signature":"x","a":"ä"}`)), `{"signature": "x", "a": "ä"}`, "other_spacing"},
		"json.dumps signed":       {h.key.Detached(t, []byte(`{"a": "\u00e4", "signature": "x"}`)), lines, "other_spacing"},
		"indented signed":         {h.key.Detached(t, []byte("{\n  \"signature\": \"x\",\n  \"a\": 1\n}")), `{"signature":"x","a":1}`, "other_spacing"},
		"before signature was in": {h.key.Detached(t, []byte(`{"a":"ä"}`)), lines, "signature_member"},
		"signature emptied":       {h.key.Detached(t, []byte(`{"a":"ä","signature":""}`)), lines, "signature_member"},
		"body only":               {signedAs(t, h.key, header, []byte(body)), body, "body_only"},
		"body not encoded":        {signedAs(t, h.key, header, []byte(h64+"."+body)), body, "body_not_encoded"},
		"nothing encoded":         {signedAs(t, h.key, header, []byte(header+"."+body)), body, "body_not_encoded"},
		"payload only":            {signedAs(t, h.key, header, []byte(b64([]byte(body)))), body, "payload_only"},
		"detached literally":      {signedAs(t, h.key, header, []byte(h64+".")), body, "empty_payload"},
		"standard base64":         {signedAs(t, h.key, header, []byte(h64+"."+std([]byte(body+"ÿ")))), body + "ÿ", "standard_base64_payload"},
		"hash of body":            {signedAs(t, h.key, header, sum[:]), body, "body_hashed"},
		"hashed twice":            {signedAs(t, h.key, header, twice[:]), body, "hashed_twice"},
		"hashed twice, in hex":    {signedAs(t, h.key, header, []byte(hex.EncodeToString(twice[:]))), body, "hashed_twice"},
		"two at once":             {signedAs(t, h.key, header, []byte(h64+"."+body+"\n")), body, "trailing_newline_missing body_not_encoded"},
		"header's name":           {"Signature: " + rightly, body, "header_name"},
		"quotes":                  {`"` + rightly + `"`, body, "quotes"},
		"padded":                  {rightly + "==", body, "padded_base64"},
		"line breaks":             {rightly[:80] + "\n" + rightly[80:], body, "line_breaks"},
		"in hex":                  {hexSignature(t, rightly), body, "signature_hex"},
	} {
		t.Run(name, func(t *testing.T) {
			if e := h.explain(t, "PARTNER-A", c.body, c.signature); e.Verified || codes(e) != c.want {
				t.Errorf("hints %q, want %q", codes(e), c.want)
			}
		})
	}
}

func hexSignature(t testing.TB, token string) string {
	t.Helper()
	header, signature := parts(token)
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	must(t, err)
	return header + ".." + b64([]byte(hex.EncodeToString(raw)))
}

func TestExplainHintsOfOtherAlgorithms(t *testing.T) {
	h := newHouse(t)
	key := keytest.RSA(t, 5)
	_, err := h.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "PSS", Status: keymgr.Active}, key.Certificate(t), keymgr.As("PS256"))
	must(t, err)
	header := `{"alg":"PS256"}`
	input := []byte(b64([]byte(header)) + "." + b64([]byte(body)))
	if e := h.explain(t, "PSS", body, signedAs(t, key, header, input)); codes(e) != "pkcs1_not_pss" {
		t.Errorf("PKCS1: %s", codes(e))
	}
	sum := sha256.Sum256(input)
	long, err := rsa.SignPSS(rand.Reader, key.Signer.(*rsa.PrivateKey), crypto.SHA256, sum[:], nil)
	must(t, err)
	if e := h.explain(t, "PSS", body, b64([]byte(header))+".."+b64(long)); codes(e) != "pss_salt" {
		t.Errorf("salt: %s", codes(e))
	}
	// The header is signed, too: this can only come from one who signs another header than it sends, or fills in the wrong alg.
	wrong, err := rsa.SignPSS(rand.Reader, h.key.Signer.(*rsa.PrivateKey), crypto.SHA256, hashOf(b64([]byte(`{"alg":"RS256"}`))+"."+b64([]byte(body))), &rsa.PSSOptions{SaltLength: 32})
	must(t, err)
	if e := h.explain(t, "PARTNER-A", body, b64([]byte(`{"alg":"RS256"}`))+".."+b64(wrong)); codes(e) != "pss_not_pkcs1" {
		t.Errorf("PSS: %s", codes(e))
	}

	ec := keytest.EC(t)
	ec.Onboard(t, h.register, "EC")
	segment := b64([]byte(`{"alg":"ES256"}`))
	der, err := ec.Sign(rand.Reader, hashOf(segment+"."+b64([]byte(body))), crypto.SHA256)
	must(t, err)
	if e := h.explain(t, "EC", body, segment+".."+b64(der)); codes(e) != "signature_der" {
		t.Errorf("DER: %s", codes(e))
	}
	if e := h.explain(t, "EC", body, segment+".."+b64(der[1:])); codes(e) != "" {
		t.Errorf("rubbish: %s", codes(e))
	}
}

func hashOf(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func TestExplainHintKeyID(t *testing.T) {
	h := newHouse(t)
	h.clock.advance(time.Millisecond)
	second := keytest.RSA(t, 1)
	c, err := h.register.AddCertificate(t.Context(), audittest.By, "PARTNER-A", second.Certificate(t))
	must(t, err)
	value, err := keymgr.SignAs(h.key.Signer, keymgr.KeyID(c.DER), []byte(body), true)
	must(t, err)
	e := h.explain(t, "PARTNER-A", body, value)
	if codes(e) != "kid" || !e.Steps[1].Key.Certificates[0].Picked || e.Steps[1].Key.Certificates[1].Picked {
		t.Errorf("got %s, %+v", codes(e), e.Steps[1].Key)
	}
}

// A large body must not make explaining it an attack.
func TestExplainLargeBody(t *testing.T) {
	h := newHouse(t)
	large := batch(1 << 20)
	start := time.Now()
	e := h.explain(t, "PARTNER-A", large+"\n", h.key.Detached(t, []byte(large)))
	if took := time.Since(start); codes(e) != "trailing_newline_added" || took > 20*time.Second {
		t.Errorf("hints %q after %v", codes(e), took)
	}
}
