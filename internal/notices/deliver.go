package notices

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// The classes of failures: what staff are told of one, and all that is kept.
const (
	FailConnect    = "connect"    // the gateway cannot be reached, or broke off
	FailTimeout    = "timeout"    // it does not answer in time
	FailSetup      = "setup"      // it refuses us: login, sender, encryption
	FailBusy       = "busy"       // not now
	FailRefused    = "refused"    // not this message, now or later
	FailUnreadable = "unreadable" // the notice does not open with our key
)

// Failures lists the classes.
func Failures() []string {
	return []string{FailConnect, FailTimeout, FailSetup, FailBusy, FailRefused, FailUnreadable}
}

// Outcomes lists what Observe is told: of an attempt that it was a success or the class of its failure, and what was given
// up.
func Outcomes() []string { return append([]string{Delivered, GivenUp}, Failures()...) }

// Failure is why a message was not taken. It repeats nothing that a gateway said: that may name the recipient.
type Failure struct {
	Class  string
	Code   int           // the gateway's: an SMTP reply or HTTP status; 0 if it gave none
	Detail string        // of a connection that failed; names nobody
	After  time.Duration // how long the gateway asks to be left alone
}

// Error implements error.
func (f *Failure) Error() string { return "message not taken: " + f.Class }

const (
	tick        = time.Second      // between two looks at what is due
	concurrency = 4                // messages that are sent at the same time, of each channel
	maxClaim    = 50               // notices taken at once
	claimTime   = time.Minute      // after which none of a claim is begun any more
	maxTimeout  = 30 * time.Second // of one message
	settleTime  = 10 * time.Second // for writing down what became of it

	// lease is how long a claim holds. It is longer than all of it can take, so that nobody else sends the same.
	lease = 3 * time.Minute

	firstRetry = 30 * time.Second
	lastRetry  = time.Hour
)

// Run delivers until ctx ends. What is under way then is finished.
func (o *Outbox) Run(ctx context.Context) {
	var channels sync.WaitGroup
	for _, channel := range o.c.Channels {
		channels.Go(func() { o.run(ctx, channel) })
	}
	channels.Wait()
}

// run sends at most a channel's PerSecond in each tick.
func (o *Outbox) run(ctx context.Context, channel Channel) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		if err := o.DeliverDue(ctx, channel); err != nil && ctx.Err() == nil {
			o.c.Log.ErrorContext(ctx, "deliver notices", "channel", channel.Name, "error", err)
		}
	}
}

// DeliverDue claims what is due on a channel, once, and tries to deliver it.
func (o *Outbox) DeliverDue(ctx context.Context, channel Channel) error {
	list, err := o.claim(ctx, channel.Name, min(channel.PerSecond, maxClaim))
	if err != nil || len(list) == 0 {
		return err
	}
	begin, stop := context.WithTimeout(ctx, claimTime)
	defer stop()
	errs := make([]error, len(list))
	failures := make([]*Failure, len(list)) // of those that are given up
	slots := make(chan struct{}, concurrency)
	var sending sync.WaitGroup
	for i, n := range list {
		select {
		case <-begin.Done():
			errs[i] = o.settled(ctx, func(ctx context.Context) error { return o.release(ctx, n) })
			continue
		case slots <- struct{}{}:
		}
		sending.Go(func() {
			defer func() { <-slots }()
			failures[i], errs[i] = o.deliver(ctx, channel, n)
		})
	}
	sending.Wait()
	return errors.Join(errors.Join(errs...), o.giveUpAll(ctx, channel.Name, list, failures))
}

// settled gives what must be written down its own time, also when the process is about to end.
func (o *Outbox) settled(ctx context.Context, write func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	return write(ctx)
}

// deliver tries one notice and writes down what became of it, unless it is to be given up: then it returns why.
func (o *Outbox) deliver(ctx context.Context, channel Channel, n claimed) (*Failure, error) {
	failure := o.attempt(ctx, channel, n)
	if failure == nil {
		o.c.Observe(channel.Name, Delivered, 1)
		return nil, o.settled(ctx, func(ctx context.Context) error { return o.delivered(ctx, n) })
	}
	o.c.Observe(channel.Name, failure.Class, 1)
	o.c.Log.WarnContext(ctx, "notice not delivered", "channel", channel.Name, "reason", failure.Class, "code", failure.Code,
		"detail", failure.Detail, "attempt", n.Attempts+1)
	next := o.c.Now().Add(max(backoff(n.Attempts), failure.After))
	if failure.Class == FailRefused || failure.Class == FailUnreadable || next.After(n.GiveUpAt) {
		return failure, nil
	}
	return nil, o.settled(ctx, func(ctx context.Context) error { return o.retry(ctx, n, failure.Class, next) })
}

func (o *Outbox) attempt(ctx context.Context, channel Channel, n claimed) *Failure {
	f, err := o.open(n.ID, n.Sealed)
	if err != nil {
		return &Failure{Class: FailUnreadable}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), channel.Timeout)
	defer cancel()
	err = channel.Sender.Send(ctx, o.message(ctx, channel.Name, n.ID, f))
	if err == nil {
		return nil
	}
	if failure, ok := errors.AsType[*Failure](err); ok {
		return failure
	}
	if ctx.Err() != nil {
		return &Failure{Class: FailTimeout}
	}
	return &Failure{Class: FailConnect}
}

// giveUpAll gives up those that failed for good, together by reason: that is one entry in the audit log, not thousands.
func (o *Outbox) giveUpAll(ctx context.Context, channel string, list []claimed, failures []*Failure) error {
	byClass := map[string][]claimed{}
	for i, f := range failures {
		if f != nil {
			byClass[f.Class] = append(byClass[f.Class], list[i])
		}
	}
	var errs []error
	for class, some := range byClass {
		o.c.Observe(channel, GivenUp, len(some))
		errs = append(errs, o.settled(ctx, func(ctx context.Context) error { return o.giveUp(ctx, channel, class, some) }))
	}
	return errors.Join(errs...)
}

// backoff is how long to wait after so many failures and one more: twice as long each time, up to an hour, and never the
// same for everybody.
func backoff(failed int) time.Duration {
	wait := lastRetry
	if failed < 8 {
		wait = min(lastRetry, firstRetry<<failed)
	}
	return wait/2 + rand.N(wait)
}
