package keymgr

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
)

// Bounds of what is kept about calls. Whoever can reach the service can make it count, so everything has a limit.
const (
	callsKept      = 30 * 24 * time.Hour
	refusalsKept   = 100   // of each partner
	maxPending     = 10000 // counters in memory: partners times actions times outcomes of a second
	maxRefusals    = 1000  // refusals in memory, of all partners
	maxCallText    = 200   // bytes of a detail
	UnknownPartner = ""    // whose calls are those of senders that are no partners
)

// Call is what became of one call of the partner API. It holds nothing of the message.
type Call struct {
	Partner   string // reference id: of the partner that was proven, or that a sender who proved nothing claims to be
	Action    string
	Outcome   string // CallOK, a header fault's code, a [Reason], or another word of a fixed set
	Refused   bool   // keep it among the partner's last refusals
	Detail    string // why, for the administrator; never anything of the message
	RequestID string
}

// CallOK is the outcome of a call whose items were answered.
const CallOK = "ok"

// Calls keeps what partners' calls came to, for the administrators' pages. Recording takes no round trip to the database:
// counts gather in memory, and are added to the tables once a second, on every replica by itself.
type Calls struct {
	db          *sqlx.DB
	application string
	now         func() time.Time

	mu       sync.Mutex
	counters map[callKey]counter
	refusals []refusedCall
}

type callKey struct {
	partner, action, outcome string
	hour                     int64 // unix milliseconds
}

type counter struct {
	count  int64
	lastAt int64
}

type refusedCall struct {
	Call
	at time.Time
}

// NewCalls makes the log of an application's calls. Nothing is stored before [Calls.Flush].
func NewCalls(db *sqlx.DB, application string, now func() time.Time) *Calls {
	return &Calls{db: db, application: application, now: now, counters: map[callKey]counter{}}
}

// Record counts a call.
func (c *Calls) Record(call Call) {
	now := c.now()
	if !referenceID.MatchString(call.Partner) {
		call.Partner = UnknownPartner
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := callKey{call.Partner, call.Action, call.Outcome, now.Truncate(time.Hour).UnixMilli()}
	if _, ok := c.counters[key]; !ok && len(c.counters) >= maxPending {
		key.partner = UnknownPartner // someone makes up senders
	}
	c.add(key, counter{1, now.UnixMilli()})
	if call.Refused {
		call.Detail = plain(call.Detail)
		c.refusals = append(c.refusals, refusedCall{call, now})
		c.shorten()
	}
}

// plain makes a text one that both databases store, for a row that cannot be stored would come back every second.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), maxCallText)], "")
}

// add adds to a counter. The caller holds mu, also for shorten.
func (c *Calls) add(key callKey, more counter) {
	sum := c.counters[key]
	sum.count += more.count
	sum.lastAt = max(sum.lastAt, more.lastAt)
	c.counters[key] = sum
}

// shorten drops the oldest refusals of the partner with the most, so that a flood in one partner's name does not push
// out what happened to another.
func (c *Calls) shorten() {
	if len(c.refusals) <= maxRefusals {
		return
	}
	many := map[string]int{}
	for _, r := range c.refusals {
		many[r.Partner]++
	}
	loudest := slices.MaxFunc(c.refusals, func(a, b refusedCall) int { return cmp.Compare(many[a.Partner], many[b.Partner]) }).Partner
	drop := max(1, many[loudest]/2)
	c.refusals = slices.DeleteFunc(c.refusals, func(r refusedCall) bool {
		if r.Partner != loudest || drop == 0 {
			return false
		}
		drop--
		return true
	})
}

// Flush stores what was recorded so far. Call it about once a second and before the end: what was not stored is lost then.
// What cannot be stored is kept for the next time.
func (c *Calls) Flush(ctx context.Context) error {
	c.mu.Lock()
	counters, refusals := c.counters, c.refusals
	c.counters, c.refusals = map[callKey]counter{}, nil
	c.mu.Unlock()
	if len(counters) == 0 && len(refusals) == 0 {
		return nil
	}
	err := c.store(ctx, counters, refusals)
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, sum := range counters {
		if _, ok := c.counters[key]; !ok && len(c.counters) >= maxPending {
			key.partner = UnknownPartner
		}
		c.add(key, sum)
	}
	c.refusals = append(refusals, c.refusals...)
	for len(c.refusals) > maxRefusals {
		c.shorten()
	}
	return err
}
