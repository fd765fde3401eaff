package wire

import (
	"time"

	"spar/mapper"
)

// Version is the version of the definition that is spoken.
const Version = "1.0.0"

// Code is a status_reason_code of the message header, from the definition's MsgHeaderStatusReasonCode.
type Code string

// The codes that reject a whole message in an HTTP 200.
const (
	VersionInvalid          Code = "rjct.version.invalid"
	MessageIDDuplicate      Code = "rjct.message_id.duplicate"
	MessageTSInvalid        Code = "rjct.message_ts.invalid"
	ActionNotSupported      Code = "rjct.action.not_supported"
	TotalCountInvalid       Code = "rjct.total_count.invalid"
	TotalCountLimitExceeded Code = "rjct.total_count.limit_exceeded"
)

// Fault is why a whole message is rejected.
type Fault struct {
	Code    Code
	Message string
}

// Duplicate is the fault of a message id that was used before.
func Duplicate() *Fault { return &Fault{MessageIDDuplicate, "message_id was used before"} }

// clockSkew is how far ahead of ours a sender's clock may be.
const clockSkew = time.Minute

// Check finds what is wrong with a verified message's header: it must be of this version, made for this path, recent,
// and state the number of its items correctly or not at all. The body signed for one path can so not be replayed to
// another.
func (r *Request) Check(now time.Time, window time.Duration, maxBatch int) *Fault {
	h := r.Header
	if h.Version.Invalid || h.Version.Present && h.Version.Value != Version {
		return &Fault{VersionInvalid, "version must be " + Version}
	}
	if h.Action.Invalid || h.Action.Value != string(r.Action) {
		return &Fault{ActionNotSupported, "action must be " + string(r.Action) + " on this path"}
	}
	sent, err := mapper.ParseTimestamp(h.MessageTS.Value)
	if err != nil || h.MessageTS.Invalid {
		return &Fault{MessageTSInvalid, "message_ts must be RFC 3339, such as 2026-03-06T09:32:48Z"}
	}
	if sent.Before(now.Add(-window)) || sent.After(now.Add(clockSkew)) {
		return &Fault{MessageTSInvalid, "message_ts must be the time of sending, at most " + window.String() + " ago"}
	}
	if r.Count > maxBatch {
		return &Fault{TotalCountLimitExceeded, "too many items in one message"}
	}
	if h.TotalCount != 0 && h.TotalCount != int64(r.Count) {
		return &Fault{TotalCountInvalid, "total_count must be the number of items"}
	}
	return nil
}
