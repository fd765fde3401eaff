package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"spar/keymgr"
	"spar/mapper/wire"
)

type verifyCommand struct {
	Certificate string `required:"" help:"PEM file of the sender's certificate." placeholder:"FILE"`
	Body        string `required:"" help:"File with the body, exactly as it is sent." placeholder:"FILE"`
	Signature   string `required:"" help:"File with the value of the Signature header; - for stdin." placeholder:"FILE"`
	Sender      string `help:"The reference id you were onboarded under; the body must name it." placeholder:"REF"`
	Algorithm   string `help:"What the certificate is registered for: PS256 in place of RS256; what the token says, if not given." placeholder:"ALG"`
	JSON        bool   `name:"json" help:"Print JSON."`
}

func (verifyCommand) Help() string {
	return `It needs no configuration and no database, and shows each step that the registry takes. Exit status 0: verified, 1: not.

Example: spar sign --key key.pem < body.json | spar verify --certificate cert.pem --body body.json --signature - --sender PARTNER-A`
}

// errNotVerified ends the command with status 1 and says nothing, for everything has been said.
var errNotVerified = errors.New("not verified")

// verification is what is printed with --json; the names are part of the command line's contract.
type verification struct {
	keymgr.Explanation
	Notes []string `json:"notes,omitempty"`
}

func (v verifyCommand) Run(c *console) error {
	certificate, err := os.ReadFile(v.Certificate)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	body, err := readAll(v.Body, nil)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	signature, err := readAll(v.Signature, c.stdin)
	if err != nil {
		return fmt.Errorf("read signature: %w", err)
	}
	result := verification{}
	sender, notes := v.sender(body)
	message := keymgr.Signed{Sender: sender, Signature: []string{string(bytes.TrimRight(signature, "\r\n"))}, Body: body}
	if result.Explanation, err = keymgr.ExplainOffline(c.ctx, message, certificate, v.Algorithm, time.Now()); err != nil {
		return err
	}
	result.Notes = notes
	if v.Sender != "" && sender != v.Sender {
		result.Verified, result.Reason = false, keymgr.UnknownSender
		result.Detail = keymgr.Say("other_sender", "the body's header.sender_id is %.80q, not %s: the registry would look for a key of that sender", sender, v.Sender)
	}
	if v.JSON {
		err = printJSON(c.stdout, result)
	} else {
		_, err = c.stdout.Write(result.text())
	}
	if err == nil && !result.Verified {
		return errNotVerified
	}
	return err
}

// sender is who the body says sent it, as the registry reads it, and what the registry would say about the body.
func (v verifyCommand) sender(body []byte) (string, []string) {
	request, err := wire.Parse(wire.Limits, body, 0)
	if err != nil {
		return v.Sender, []string{"the registry would refuse this body whatever its signature (400 err.request.bad): " + err.Error()}
	}
	if request.Header.SenderID == "" && v.Sender == "" {
		return "", []string{"the body names no header.sender_id, so the registry would not know whose key to use"}
	}
	return request.Header.SenderID, nil
}

func readAll(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" && stdin != nil {
		return io.ReadAll(io.LimitReader(stdin, maxSignedBody))
	}
	return os.ReadFile(path)
}

// text prints the steps for people.
func (v verification) text() []byte {
	var out bytes.Buffer
	names := map[string]string{
		"A": "take the token apart", "B": "fetch the sender's key", "C": "the hash in the signature", "D": "the hash of header and body",
	}
	for _, step := range v.Steps {
		state := "passed"
		switch {
		case !step.Reached:
			state = "not reached"
		case !step.Passed:
			state = "FAILED"
		}
		fmt.Fprintf(&out, "Step %s  %-28s %s\n", step.Name, names[step.Name], state)
		if step.Detail != nil {
			fmt.Fprintf(&out, "        %s\n", step.Detail.Error())
		}
		for _, line := range evidence(step) {
			fmt.Fprintf(&out, "        %-12s %s\n", line[0], line[1])
		}
	}
	for _, hint := range v.Hints {
		fmt.Fprintf(&out, "Hint    %s\n", hint.Text)
	}
	for _, note := range v.Notes {
		fmt.Fprintf(&out, "Note    %s\n", note)
	}
	if v.Verified {
		out.WriteString("verified\n")
		return out.Bytes()
	}
	fmt.Fprintf(&out, "NOT verified: %s: %s\n", v.Reason, v.Detail.Error())
	return out.Bytes()
}

// evidence is what a step found, by name.
func evidence(step keymgr.Step) (lines [][2]string) {
	add := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			lines = append(lines, [2]string{name, text})
		}
	}
	if t := step.Token; t != nil {
		add("form", "%s", t.Form)
		add("header", "%s", t.Header)
		add("signature", "%d bytes", t.SignatureBytes)
	}
	if step.Key != nil {
		for _, one := range step.Key.Certificates {
			add("certificate", "%s", colons(one.Fingerprint))
			add("", "%s, %s, for %s, valid %s to %s", one.Subject, one.Key, one.Algorithm, one.NotBefore.Format(time.DateOnly), one.NotAfter.Format(time.DateOnly))
			add("", "%s", one.Detail.Error())
		}
	}
	if s := step.Signature; s != nil {
		add("method", "%s", s.Method)
		add("hash C", "%s", s.Hash)
		add("salt", "%s", s.Salt)
	}
	if b := step.Body; b != nil {
		for _, form := range b.Forms {
			add("hash D", "%s %s, %d bytes%s", form.Hash, form.Name, form.Bytes, signedMark(form.Name == b.Matched))
		}
		add("canonical", "%s", b.NotCanonical.Error())
		if d := b.FirstDifference; d != nil {
			add("difference", "at byte %d", d.Offset)
			add("  in token", "%s", d.Payload)
			add("  in body", "%s", d.Body)
		}
	}
	return lines
}

func signedMark(signed bool) string {
	if signed {
		return " <- signed"
	}
	return ""
}
