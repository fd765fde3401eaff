package main

import (
	"fmt"
	"io"

	"spar/keymgr"
)

// maxSignedBody bounds what sign reads, in bytes; the server's own limit is far below it.
const maxSignedBody = 64 << 20

type signCommand struct {
	Key       string `required:"" help:"PEM file of the partner's private key." placeholder:"FILE"`
	Algorithm string `help:"PS256 in place of RS256, for an RSA key that is registered so." placeholder:"ALG"`
	Full      bool   `help:"The full form, which repeats the body inside; small bodies only. Without it: detached."`
}

func (signCommand) Help() string {
	return `Example: curl -H "Signature: $(spar sign --key partner.key.pem < body.json)" -H "Content-Type: application/json" --data-binary @body.json https://…`
}

func (s signCommand) Run(c *console) error {
	key, err := keymgr.LoadKey(s.Key)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(c.stdin, maxSignedBody))
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	signature, err := keymgr.SignWith(key, s.Algorithm, "", body, !s.Full)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.stdout, signature)
	return err
}
