package audit

import (
	"crypto/sha256"
	"encoding/binary"
)

// Domains keep a hash or seal of one kind from ever passing for one of another.
const (
	eventDomain = "SPAR audit event 1"
	rowDomain   = "SPAR audit row 1"
	headDomain  = "SPAR audit head 1"
)

// row is an event as stored. The hash covers every column but mac, and mac covers the hash.
type row struct {
	Seq       int64  `db:"seq"`
	At        int64  `db:"at"`
	ActorKind string `db:"actor_kind"`
	ActorID   string `db:"actor_id"`
	RequestID string `db:"request_id"`
	Action    string `db:"action"`
	Target    string `db:"target"`
	Before    string `db:"before_value"`
	After     string `db:"after_value"`
	Detail    string `db:"detail"`
	Previous  []byte `db:"previous"`
	Hash      []byte `db:"hash"`
	MAC       []byte `db:"mac"`
}

// head is the end of the chain as stored.
type head struct {
	Seq  int64  `db:"seq"`
	Hash []byte `db:"hash"`
	MAC  []byte `db:"mac"`
}

// digest is the hash of a row: SHA-256 over its domain and its columns, each with its length before it, so that no two
// different rows have the same encoding.
func (r row) digest() []byte {
	b := appendText(make([]byte, 0, 512), eventDomain)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(r.At))
	for _, text := range []string{r.ActorKind, r.ActorID, r.RequestID, r.Action, r.Target, r.Before, r.After, r.Detail} {
		b = appendText(b, text)
	}
	b = appendText(b, string(r.Previous))
	sum := sha256.Sum256(b)
	return sum[:]
}

func appendText(b []byte, text string) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(text)))
	return append(b, text...)
}

// sealed is what the mac of a row covers.
func (r row) sealed() []byte { return appendText(appendText(nil, rowDomain), string(r.Hash)) }

// sealed is what the mac of the head covers.
func (h head) sealed() []byte {
	b := binary.BigEndian.AppendUint64(appendText(nil, headDomain), uint64(h.Seq))
	return appendText(b, string(h.Hash))
}

// origin is what the first row has for the hash of the row before it.
func origin() []byte { return make([]byte, sha256.Size) }
