// Package mapper owns the registry: links from a beneficiary's ID to a financial address, their history, the directory
// of banks and wallet providers, and the strategies that say what a financial address looks like. Its rules are those of
// the G2P Connect Financial Address Mapper 1.0.0. It knows no HTTP, no JSON envelope and no signature: callers hand it
// items of a request that was already authenticated, and an [Actor] that says who asks. Nothing else touches its tables.
package mapper

import (
	"context"
	"time"
)

// Mapper links, updates, unlinks and resolves batches. What happens to one item is data: exactly one [Result] per item,
// in request order, and one bad item never affects another. An error means that the whole batch could not be handled
// and changed nothing; [ErrDuplicateMessage] says that the actor's message id was used before.
type Mapper interface {
	Link(ctx context.Context, by Actor, items []Item) ([]Result, error)
	Update(ctx context.Context, by Actor, items []Item) ([]Result, error)
	Unlink(ctx context.Context, by Actor, items []Item) ([]Result, error)
	Resolve(ctx context.Context, by Actor, items []Item) ([]Result, error)
}

// Actor says who asks and within which message. Rules never look anywhere else for the caller.
type Actor struct {
	Partner       string   // reference id of the partner whose verified request this is
	ByBeneficiary bool     // the person themself, through the portal
	FAProviders   []string // DFSP codes the partner may act for; empty: any
	MessageID     string   // accepted once per partner
	TransactionID string
	RequestID     string // as in the log, for the audit event; may be empty
}

// Action is what a message can ask for, and what the history says was done.
type Action string

// The actions, named as in header.action and in the paths of the partner API.
const (
	Link    Action = "link"
	Update  Action = "update"
	Unlink  Action = "unlink"
	Resolve Action = "resolve"
)

// What else happens to a change of a link: it has to wait, or it is not made after all.
const (
	Hold   Action = "hold"
	Cancel Action = "cancel"
)

// What else can become of a link; see [Service.Report] and [Service.Settle].
const (
	Freeze  Action = "freeze"
	Restore Action = "restore"
)

// Text is a string member of an item as it arrived. A zero Text is an absent (or null) member.
type Text struct {
	Value   string
	Present bool
	Invalid bool // present, but not a string
}

// String makes a present Text.
func String(value string) Text { return Text{Value: value, Present: true} }

// Item is one request of a batch. Resolve ignores Name, Phone, AdditionalInfo; the others ignore Scope.
type Item struct {
	ReferenceID    Text // unique within the batch
	Timestamp      Text // RFC 3339
	ID             Text // [type:]value@provider
	FA             Text // a financial address that fits an active strategy
	Scope          Text // resolve: yes_no (default) or details
	Name           Text
	Phone          Text // RFC 3966 or E.164
	Locale         Text
	AdditionalInfo []Attribute
	InfoInvalid    bool // additional_info was present, but not a list of name/value pairs

	// What only the portal says, for a person who is logged in. From every other actor these members are ignored.
	Email   Text     // the person's own, for messages to them
	Base    Text     // the [Result.State] that the person saw: in any other state, the change is refused with StateStale
	Consent *Consent // what the person agreed to by this change; nil if nothing
	Change  Text     // the change of the history that a message is about; see [Service.CancelHeld] and [Service.Report]
}

// Consent is the text that a person agreed to, exactly as it was shown to them. When they did is the time of the change.
type Consent struct {
	Text     string
	Version  string
	Language string
}

// Attribute is one name/value pair of additional_info; Value is the JSON value as sent.
type Attribute struct {
	Name  string
	Value []byte
}

// Status of a request, as in the definition's RequestStatus.
type Status string

// The two final states: the question was answered or the change made, or it was refused.
const (
	Succeeded Status = "succ"
	Rejected  Status = "rjct"
)

// Result answers one item.
type Result struct {
	ReferenceID    string
	ID             string // as sent; as stored in a details answer
	FA             string // as stored; only for link and update, and for resolve with details
	Status         Status
	Code           Code // empty for a successful link, update or unlink
	Message        string
	Provider       *AccountProvider // only for resolve with details
	AdditionalInfo []Attribute      // only for resolve with details
	Name           string           // only in process, for the portal: never on the wire
	ChangedAt      time.Time        // when the link was last changed; zero if there is none. In process only
	ChangeID       string           // reference number of the change just made. In process only
	Case           *Case            // the person's last case; of a resolve with details, and of a report. Only for the portal
	State          string           // names the state of the ID's link, for [Item.Base]; of a resolve only. In process only

	// EffectiveAt is when a change counts that is held; zero: it counts now. In the answer to a resolve by the person it is
	// when a change that they asked for now would count. In process only.
	EffectiveAt time.Time
	Held        *Held // what waits for its hold to end; only for resolve with details by the person. In process only
}

// Held is a change that waits until its hold ends.
type Held struct {
	ChangeID    string // of the [Hold] in the history
	FA          string
	Provider    AccountProvider
	AskedAt     time.Time
	EffectiveAt time.Time
}

// AccountProvider is the bank or wallet provider of a financial address.
type AccountProvider struct {
	Name    string
	Code    string
	Subcode string // branch code
	Kind    Kind   // in process only
}

// Kind of account a financial address leads to.
type Kind string

// The kinds of account.
const (
	Bank         Kind = "bank"
	MobileWallet Kind = "mobile_wallet"
	EmailWallet  Kind = "email_wallet"
)

// Change is one row of a link's history.
type Change struct {
	ID            string // reference number shown to the person
	Action        Action
	At            time.Time
	Partner       string
	ByBeneficiary bool
	FA            string // after the change; the removed one for unlink; the one that waits, or does no more, for hold and cancel
	Provider      AccountProvider
	Consent       *Consent  // nil if the change came with none
	AskedAt       time.Time // of a change that is or was held: when it was asked for; otherwise zero
	EffectiveAt   time.Time // and when its hold ends
}

// WithMessage is the same actor in another message.
func (a Actor) WithMessage(id string) Actor {
	a.MessageID = id
	return a
}
