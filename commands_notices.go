package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"spar/internal/notices"
)

type noticesCommand struct {
	Test noticesTestCommand `cmd:"" help:"Send a test message with the configured mail server or SMS gateway, and say what became of it."`
}

type noticesTestCommand struct {
	Email string `help:"Send an e-mail to this address." placeholder:"ADDRESS"`
	SMS   string `help:"Send a text message to this number, in international form." placeholder:"NUMBER"`
}

func (noticesTestCommand) Help() string { return "Example: spar notices test --email me@example.org" }

func (t noticesTestCommand) Run(c *console) error {
	if t.Email == "" && t.SMS == "" {
		return usageError{"say where to: --email or --sms"}
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	channels, err := cfg.Notices.channels()
	if err != nil {
		return err
	}
	return errors.Join(t.send(c, channels, notices.Email, t.Email), t.send(c, channels, notices.SMS, t.SMS))
}

// send sends one message past the outbox, so that an error is seen at once.
func (noticesTestCommand) send(c *console, channels []notices.Channel, name, to string) error {
	if to == "" {
		return nil
	}
	i := slices.IndexFunc(channels, func(ch notices.Channel) bool { return ch.Name == name })
	if i < 0 {
		return fmt.Errorf("notices.%s.url is not configured", name)
	}
	ctx, cancel := context.WithTimeout(c.ctx, channels[i].Timeout)
	defer cancel()
	err := channels[i].Sender.Send(ctx, notices.TestMessage(to))
	if failure, ok := errors.AsType[*notices.Failure](err); ok {
		return fmt.Errorf("%s: the message was not taken: %s, code %d %s", name, failure.Class, failure.Code, failure.Detail)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(c.stdout, "%s: the message was taken\n", name)
	return nil
}
