// Package notices tells people of changes of their link: a durable outbox, and its delivery by e-mail and SMS. A notice is
// queued in the transaction that makes the change, and delivered at least once, by whichever replica claims it first. Only
// this package touches its table. Whom a notice reaches, and what it says, is sealed there and never logged.
package notices

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/tink"

	"spar/internal/audit"
	"spar/mapper"
)

// The channels, as they are named in the table, in metrics and in the audit log.
const (
	Email = "email"
	SMS   = "sms"
)

// Channel is a way to reach people.
type Channel struct {
	Name      string // Email or SMS
	Sender    Sender
	PerSecond int           // that one replica sends at most
	Timeout   time.Duration // of one message
}

// Sender hands one message to a gateway. A [*Failure] says what became of one that was not taken; any other error counts
// as a gateway that could not be reached.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Message is a notice as a person reads it.
type Message struct {
	ID      string // the same at every attempt, so that a gateway can tell a repetition
	To      string // an e-mail address, or a phone number in E.164
	Subject string // of an e-mail
	Text    string
}

// Config is what an Outbox needs.
type Config struct {
	DB          *sqlx.DB
	Seal        tink.AEAD
	Trail       *audit.Log
	Channels    []Channel
	PortalURL   string                                             // where people reach the portal; no slash at its end
	Region      string                                             // ISO 3166 code of the country of phone numbers without a country code
	Keep        time.Duration                                      // how long it is remembered that a notice was sent or given up
	Location    *time.Location                                     // of the times in the texts
	ServiceName func(language string) string                       // the host's name for the service; nil or empty: its own
	ShortName   func(language string) string                       // the same for text messages
	PartnerName func(ctx context.Context, reference string) string // what people know a partner by
	Observe     func(channel, outcome string, n int)               // told of every attempt, and of what is given up; may be nil
	Now         func() time.Time
	Log         *slog.Logger
}

// Outbox is the notices of a database.
type Outbox struct {
	c Config
}

var _ mapper.Notifier = (*Outbox)(nil)

// New makes an outbox; it delivers nothing before [Outbox.Run].
func New(c Config) (*Outbox, error) {
	if c.DB == nil || c.Seal == nil || c.Trail == nil || c.PartnerName == nil || c.Location == nil || c.Now == nil || c.Log == nil || c.PortalURL == "" || c.Keep <= 0 {
		return nil, errors.New("notices: configuration is incomplete")
	}
	if len(c.Channels) == 0 {
		return nil, errors.New("notices: there is no channel")
	}
	for _, ch := range c.Channels {
		if ch.Name != Email && ch.Name != SMS || ch.Sender == nil || ch.PerSecond < 1 || ch.Timeout <= 0 || ch.Timeout > maxTimeout {
			return nil, fmt.Errorf("notices: channel %q is incomplete", ch.Name)
		}
	}
	c.PortalURL = strings.TrimSuffix(c.PortalURL, "/")
	if c.Observe == nil {
		c.Observe = func(string, string, int) {}
	}
	return &Outbox{c: c}, nil
}

// Queue implements [mapper.Notifier]: it writes the notices of a whole batch in one statement.
func (o *Outbox) Queue(ctx context.Context, tx *sqlx.Tx, changes []mapper.Notice) error {
	var rows []newRow
	for _, change := range changes {
		for _, r := range recipients(change, o.c.Region) {
			if !o.serves(r.channel) {
				continue
			}
			row, err := o.newRow(r, factsOf(change, r))
			if err != nil {
				return err
			}
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return o.insert(ctx, tx, rows)
}

func (o *Outbox) serves(channel string) bool {
	for _, c := range o.c.Channels {
		if c.Name == channel {
			return true
		}
	}
	return false
}

func (o *Outbox) newRow(r recipient, f facts) (newRow, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return newRow{}, fmt.Errorf("make notice id: %w", err)
	}
	sealed, err := o.seal(id, f)
	return newRow{id: id, channel: r.channel, sealed: sealed}, err
}
