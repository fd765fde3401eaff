// Package quota owns partners' budgets: how many items a partner may ask for, counted over all replicas. It decides
// nothing about who may do what; nothing else keeps or writes what was spent.
package quota

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

// Kind of a budget. Payment lists have one of their own, so that no list, however long, starves single calls, and none of
// these can hold up a payment.
type Kind string

// The budgets of a partner.
const (
	Single Kind = "single"
	Bulk   Kind = "bulk"
)

// Rate is a token bucket: it fills at PerSecond items a second, up to Burst.
type Rate struct {
	PerSecond int
	Burst     int
}

// Account names a partner and how fast its budgets fill, in items a second; 0: as everybody's. A budget of its own rate
// holds as many seconds' worth as everybody's does.
type Account struct {
	Partner       string
	PerSecond     int
	BulkPerSecond int
}

// Config sets the budgets that every partner has.
type Config struct {
	Single   Rate
	Bulk     Rate
	BulkFrom int // a resolve of at least so many items is a payment list
	MissCost int // what an item costs that finds nothing: guessing IDs is dearer than looking up known ones
}

// Quotas are the budgets of all partners. Each replica counts for itself and tells the others through the database, so a
// partner can overdraw by what fits between two calls of [Quotas.Sync], and no call waits for a database.
type Quotas struct {
	config Config
	db     *sqlx.DB
	now    func() time.Time

	mu      sync.Mutex
	buckets map[bucketKey]*bucket
}

type bucketKey struct {
	partner string
	kind    Kind
}

type bucket struct {
	tokens   float64
	rate     Rate // that tokens were filled at
	at       time.Time
	unsent   int64 // spent here, and not yet told
	total    int64 // of all replicas, as last read
	known    bool  // total was read
	lastUsed time.Time
}

// New makes full budgets.
func New(db *sqlx.DB, config Config, now func() time.Time) (*Quotas, error) {
	for _, r := range []Rate{config.Single, config.Bulk} {
		if r.PerSecond <= 0 || r.Burst <= 0 {
			return nil, errors.New("quota: rates must be positive")
		}
	}
	if config.BulkFrom < 1 || config.MissCost < 1 || now == nil || db == nil {
		return nil, errors.New("quota: configuration is incomplete")
	}
	return &Quotas{config: config, db: db, now: now, buckets: map[bucketKey]*bucket{}}, nil
}

// KindOf says which budget a call of n items draws on.
func (q *Quotas) KindOf(resolve bool, n int) Kind {
	if resolve && n >= q.config.BulkFrom {
		return Bulk
	}
	return Single
}

func (q *Quotas) rate(a Account, kind Kind) Rate {
	if kind == Bulk {
		return q.config.Bulk.of(a.BulkPerSecond)
	}
	return q.config.Single.of(a.PerSecond)
}

// of returns the rate of a partner that has its own: the capacity is in the same proportion to it.
func (r Rate) of(own int) Rate {
	if own == 0 || own == r.PerSecond {
		return r
	}
	return Rate{PerSecond: own, Burst: max(1, int(float64(r.Burst)*float64(own)/float64(r.PerSecond)))}
}

// bucket returns a partner's bucket, filled up to now.
func (q *Quotas) bucket(a Account, kind Kind) *bucket {
	now, rate := q.now(), q.rate(a, kind)
	key := bucketKey{a.Partner, kind}
	b, ok := q.buckets[key]
	if !ok {
		b = &bucket{tokens: float64(rate.Burst), rate: rate, at: now}
		q.buckets[key] = b
	}
	if passed := now.Sub(b.at).Seconds(); passed > 0 {
		b.tokens = min(float64(b.rate.Burst), b.tokens+passed*float64(b.rate.PerSecond))
		b.at = now
	}
	b.adapt(rate)
	b.lastUsed = now
	return b
}

// adapt makes a bucket as large as another rate wants it. It stays as full as it is: an empty one is not refilled by the
// change, and the debt for a large call is paid off in the same time.
func (b *bucket) adapt(rate Rate) {
	if b.rate == rate {
		return
	}
	b.tokens *= float64(rate.Burst) / float64(b.rate.Burst)
	b.rate = rate
}

// Take pays for n items. If the budget cannot, nothing is paid, and wait says when it can. A call larger than the whole
// bucket is let through when the bucket is full, and paid off afterwards: the size of a message has a limit of its own.
func (q *Quotas) Take(a Account, kind Kind, n int) (wait time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b, rate := q.bucket(a, kind), q.rate(a, kind)
	if missing := math.Min(float64(n), float64(rate.Burst)) - b.tokens; missing > 0 {
		return time.Duration(missing / float64(rate.PerSecond) * float64(time.Second)), false
	}
	b.spend(n)
	return 0, true
}

// Missed pays the rest of what n items cost that found nothing. It may leave the budget in debt.
func (q *Quotas) Missed(a Account, kind Kind, n int) {
	if n == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bucket(a, kind).spend(n * (q.config.MissCost - 1))
}

func (b *bucket) spend(n int) {
	b.tokens -= float64(n)
	b.unsent += int64(n)
}

// State is what is left of a budget.
type State struct {
	Kind           Kind `json:"budget"`
	Available      int  `json:"available"` // items that a call may have now
	Capacity       int  `json:"capacity"`
	ItemsPerSecond int  `json:"items_per_second"`
}

// States returns a partner's budgets, and what their rules are.
func (q *Quotas) States(a Account) (states []State, bulkFrom, missCost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, kind := range []Kind{Single, Bulk} {
		rate := q.rate(a, kind)
		states = append(states, State{
			Kind: kind, Available: max(0, int(q.bucket(a, kind).tokens)), Capacity: rate.Burst, ItemsPerSecond: rate.PerSecond,
		})
	}
	return states, q.config.BulkFrom, q.config.MissCost
}

// idle is after how long without a call a budget is forgotten; by then it is full again or nearly so.
const idle = 10 * time.Minute

// Sync tells the other replicas what was spent here and takes off what was spent there. Call it about twice a second.
func (q *Quotas) Sync(ctx context.Context) error {
	for key, spent := range q.due() {
		total, err := q.add(ctx, key, spent)
		if err != nil {
			q.owe(key, spent)
			return fmt.Errorf("share budgets: %w", err)
		}
		q.learn(key, spent, total)
	}
	return nil
}

// due takes what is to be told, for every budget that was in use.
func (q *Quotas) due() map[bucketKey]int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	due := map[bucketKey]int64{}
	for key, b := range q.buckets {
		if b.unsent == 0 && q.now().Sub(b.lastUsed) > idle {
			delete(q.buckets, key)
			continue
		}
		due[key] = b.unsent
		b.unsent = 0
	}
	return due
}

func (q *Quotas) owe(key bucketKey, spent int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if b, ok := q.buckets[key]; ok {
		b.unsent += spent
	}
}

func (q *Quotas) add(ctx context.Context, key bucketKey, spent int64) (total int64, err error) {
	if spent == 0 {
		err = q.db.GetContext(ctx, &total, q.db.Rebind(`
			SELECT COALESCE(MAX(spent), 0)
			FROM partner_budgets
			WHERE partner = ? AND kind = ?`), key.partner, key.kind)
		return total, err
	}
	err = q.db.GetContext(ctx, &total, q.db.Rebind(`
		INSERT INTO partner_budgets (partner, kind, spent)
		VALUES (?, ?, ?)
		ON CONFLICT (partner, kind) DO UPDATE SET spent = partner_budgets.spent + excluded.spent
		RETURNING spent`), key.partner, key.kind, spent)
	return total, err
}

// learn takes off what the others spent since the last time.
func (q *Quotas) learn(key bucketKey, spent, total int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b, ok := q.buckets[key]
	if !ok {
		return
	}
	if b.known {
		b.tokens -= float64(max(0, total-b.total-spent))
	}
	b.total, b.known = total, true
}
