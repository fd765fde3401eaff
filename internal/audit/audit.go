// Package audit owns the audit log: who did what to what, written in the transaction that did it and never changed. Its
// rows form a chain of hashes, sealed with a key that is not in the database, so that a row edited, removed, put
// elsewhere or invented is found by [Log.Verify]. Only this package touches its tables. Nothing personal is handed to it:
// an account holder is an actor without a name.
package audit

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The kinds of actors.
const (
	Staff       = "staff"
	Partner     = "partner"
	Beneficiary = "beneficiary"
	Command     = "command" // whoever ran a command on the server
	System      = "system"  // SPAR itself
)

// Actor says who did it. Everything that changes something takes one, and without one it is refused.
type Actor struct {
	Kind      string
	ID        string // staff: login provider and subject; partner: reference id; command: its user; beneficiary: always empty
	RequestID string // of the request it came with, as in the log; may be empty
}

// String is the actor in one word: its kind, and its id if it has one.
func (a Actor) String() string {
	if a.ID == "" {
		return a.Kind
	}
	return a.Kind + " " + a.ID
}

// The actions that are recorded.
const (
	LogBegun    = "audit.begin" // the first event of every log
	ServerStart = "server.start"

	KeyCreate = "key.create"
	KeyRotate = "key.rotate"

	PartnerAdd       = "partner.add"
	PartnerActivate  = "partner.activate"
	PartnerSuspend   = "partner.suspend"
	PartnerPermit    = "partner.permit"
	PartnerConfigure = "partner.configure" // name, callback URL or DFSP limits
	PartnerLimit     = "partner.limit"     // size of messages, items a second
	PartnerDiscard   = "partner.discard"   // one that was never active

	CertificateAdd    = "certificate.add"
	CertificateRevoke = "certificate.revoke"
	CertificateUpload = "certificate.upload" // to a key manager elsewhere

	TrustAnchorAdd    = "trust_anchor.add"
	TrustAnchorRemove = "trust_anchor.remove"

	DirectoryAdd        = "directory.add" // a provider, a branch or a strategy
	DirectoryChange     = "directory.change"
	DirectoryActivate   = "directory.activate"
	DirectoryDeactivate = "directory.deactivate"
	DirectoryImport     = "directory.import" // a whole list

	ChangePrepare  = "change.prepare" // once approved, it is recorded as what it is
	ChangeWithdraw = "change.withdraw"

	CaseOpen   = "case.open"   // a person reported a change as not theirs
	CaseReport = "case.report" // another one, while the case is open
	CaseSettle = "case.settle"
	Freeze     = "freeze"  // what a report did to the link
	Restore    = "restore" // what staff did to it

	Link   = "link"
	Update = "update"
	Unlink = "unlink"
	Cancel = "cancel" // a change that waited was stopped
	Apply  = "apply"  // changes whose hold has ended were made

	LinksImport = "links.import" // the whole of it; its chunks are links and updates
	LinksExport = "links.export"

	NoticeGiveUp = "notice.give_up" // messages to people that could not be delivered; how many
	NoticeResend = "notice.resend"

	Login        = "login"
	LoginRefused = "login.refused"
	Logout       = "logout"
	AccessDenied = "access.denied" // a role was missing
	CallRefused  = "call.refused"  // the first of a sender and reason; see [Refusals]
)

// Event is one thing that was done. Before and After are fingerprints or short descriptions of the state.
type Event struct {
	Actor  Actor
	Action string
	Target string // what was changed: a partner's reference id, a key, a login provider
	Before string
	After  string
	Detail map[string]string
}

// Limits of an event's texts in bytes. What is longer is cut, for nothing may keep an event from being written.
const (
	maxText    = 256
	maxValue   = 2048
	maxDetails = 32
)

// ErrNoActor is what a change without an actor, or with one that would name a beneficiary, fails with.
var ErrNoActor = errors.New("audit: the event has no proper actor")

// checked returns the event as it will be stored.
func (e Event) checked() (Event, error) {
	switch e.Actor.Kind {
	case Staff, Partner:
		if e.Actor.ID == "" {
			return e, fmt.Errorf("%w: a %s without id", ErrNoActor, e.Actor.Kind)
		}
	case Beneficiary:
		if e.Actor.ID != "" {
			return e, fmt.Errorf("%w: a beneficiary with an id", ErrNoActor)
		}
	case Command, System:
	default:
		return e, fmt.Errorf("%w: kind %.20q", ErrNoActor, e.Actor.Kind)
	}
	if e.Action == "" {
		return e, errors.New("audit: the event has no action")
	}
	if len(e.Detail) > maxDetails {
		return e, fmt.Errorf("audit: %s has more than %d details", e.Action, maxDetails)
	}
	e.Actor.ID, e.Actor.RequestID = clean(e.Actor.ID, maxText), clean(e.Actor.RequestID, maxText)
	e.Action, e.Target = clean(e.Action, maxText), clean(e.Target, maxText)
	e.Before, e.After = clean(e.Before, maxValue), clean(e.After, maxValue)
	detail := make(map[string]string, len(e.Detail))
	for name, value := range e.Detail {
		detail[clean(name, maxText)] = clean(value, maxValue)
	}
	e.Detail = detail
	return e, nil
}

// clean makes a text one that both databases store as it is, and that cannot pass for more than one line of a list.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
	for len(text) > limit {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
