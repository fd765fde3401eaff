package audit

import (
	"context"
	"log/slog"
	"maps"
	"strconv"
	"sync"
	"time"
)

const (
	refusalWindow = 5 * time.Minute // in which repetitions are only counted
	flushPause    = time.Second     // at least between two looks at what came in
	maxWaiting    = 512             // different refusals that may come in between; more are counted without their target
)

// further is what the action of a count ends with.
const further = ".further"

// unknownTarget stands for every sender that is no partner: whoever makes up names must not fill the log with them.
const unknownTarget = "(unknown)"

// Refusals records what was refused, without letting whoever is refused slow the registry down or fill the log: the first
// refusal of a kind is written at once, further ones within five minutes are counted into one event. Noting one takes no
// time that a caller could measure. A nil Refusals notes nothing.
type Refusals struct {
	log      *Log
	partners func(context.Context) ([]string, error)
	faults   *slog.Logger
	now      func() time.Time
	wake     chan struct{}

	mu      sync.Mutex
	waiting map[refusal]arrived

	open map[refusal]repetitions // only the writer's
}

// refusal is what makes two refusals the same.
type refusal struct {
	kind, id, action, target, reason string
}

type arrived struct {
	times     int
	requestID string // of the first
}

type repetitions struct {
	since, until time.Time
	times        int
}

// NewRefusals makes a recorder; nothing is written until [Refusals.Run]. partners lists the reference ids that refused
// calls may be written under, faults is told when writing fails.
func NewRefusals(log *Log, partners func(context.Context) ([]string, error), faults *slog.Logger, now func() time.Time) *Refusals {
	return &Refusals{
		log: log, partners: partners, faults: faults, now: now, wake: make(chan struct{}, 1),
		waiting: map[refusal]arrived{}, open: map[refusal]repetitions{},
	}
}

// Call notes a refused call. The sender may be anything that looks like a reference id: it need not be proven.
func (r *Refusals) Call(sender, reason, requestID string) {
	r.note(refusal{kind: System, action: CallRefused, target: sender, reason: reason}, requestID)
}

// Login notes a refused login at a login provider. Who it was is not known.
func (r *Refusals) Login(provider, reason, requestID string) {
	r.note(refusal{kind: System, action: LoginRefused, target: provider, reason: reason}, requestID)
}

// Access notes that somebody who is logged in may not use a page. The page is its route, not its path.
func (r *Refusals) Access(by Actor, route string) {
	r.note(refusal{kind: by.Kind, id: by.ID, action: AccessDenied, target: route}, by.RequestID)
}

func (r *Refusals) note(what refusal, requestID string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	if _, known := r.waiting[what]; !known && len(r.waiting) >= maxWaiting {
		what.target = unknownTarget
	}
	a, known := r.waiting[what]
	if !known {
		a.requestID = requestID
	}
	a.times++
	r.waiting[what] = a
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends. What is left then is for a last [Refusals.Flush].
func (r *Refusals) Run(ctx context.Context) {
	tick := time.NewTicker(refusalWindow / 10)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-tick.C:
		}
		if err := r.Flush(ctx, false); err != nil && ctx.Err() == nil {
			r.faults.Error("write refusals to the audit log", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(flushPause):
		}
	}
}

// Flush writes what has to be written by now; with all, also counts whose time is not over. What could not be written is
// kept for the next time. It must not run twice at a time.
func (r *Refusals) Flush(ctx context.Context, all bool) error {
	r.mu.Lock()
	came := r.waiting
	r.waiting = map[refusal]arrived{}
	r.mu.Unlock()
	came, err := r.withKnownTargets(ctx, came)
	if err != nil {
		r.putBack(came)
		return err
	}
	events, open := r.step(came, all)
	if len(events) > 0 {
		if err := r.log.Record(ctx, events...); err != nil {
			r.putBack(came)
			return err
		}
	}
	r.open = open
	return nil
}

// withKnownTargets puts the refused calls of all senders that are no partners together.
func (r *Refusals) withKnownTargets(ctx context.Context, came map[refusal]arrived) (map[refusal]arrived, error) {
	var known map[string]bool
	sorted := make(map[refusal]arrived, len(came))
	for what, a := range came {
		if what.action == CallRefused && known == nil {
			references, err := r.partners(ctx)
			if err != nil {
				return came, err
			}
			known = make(map[string]bool, len(references))
			for _, reference := range references {
				known[reference] = true
			}
		}
		if what.action == CallRefused && !known[what.target] {
			what.target = unknownTarget
		}
		before, found := sorted[what]
		if found {
			a.requestID = before.requestID
		}
		a.times += before.times
		sorted[what] = a
	}
	return sorted, nil
}

// step returns what has to be written now, and the counts that then run on.
func (r *Refusals) step(came map[refusal]arrived, all bool) (events []Event, open map[refusal]repetitions) {
	now := r.now()
	open = maps.Clone(r.open)
	for what, a := range came {
		counted, running := open[what]
		if running && now.Before(counted.until) {
			counted.times += a.times
			open[what] = counted
			continue
		}
		events = append(events, closing(what, counted)...)
		events = append(events, what.event(what.action, a.requestID, 1))
		open[what] = repetitions{since: now, until: now.Add(refusalWindow), times: a.times - 1}
	}
	for what, counted := range open {
		if all || !now.Before(counted.until) {
			events = append(events, closing(what, counted)...)
			delete(open, what)
		}
	}
	return events, open
}

// closing is the event of a count whose time is over.
func closing(what refusal, counted repetitions) []Event {
	if counted.times == 0 {
		return nil
	}
	e := what.event(what.action+further, "", counted.times)
	e.Detail["since"] = counted.since.UTC().Format(time.RFC3339)
	return []Event{e}
}

func (r *Refusals) putBack(came map[refusal]arrived) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for what, a := range came {
		later, found := r.waiting[what]
		if !found && len(r.waiting) >= 2*maxWaiting {
			continue
		}
		a.times += later.times
		r.waiting[what] = a
	}
}

func (what refusal) event(action, requestID string, times int) Event {
	return Event{
		Actor: Actor{Kind: what.kind, ID: what.id, RequestID: requestID}, Action: action, Target: what.target,
		Detail: map[string]string{"reason": what.reason, "count": strconv.Itoa(times)},
	}
}
