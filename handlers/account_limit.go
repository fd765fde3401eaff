package handlers

import (
	"context"
	"net/http"
	"time"

	"spar/mapper"
	"spar/web"
)

// A person can change their account so many times in so long. Nobody needs more, but somebody who got into a session
// does: to try out what is accepted, or to make the history too long to read.
const (
	maxChanges    = 10
	changesWindow = time.Hour
)

// mayChange refuses a change if the person has made too many. They are counted in the history of their link, which all
// replicas share; what partners do does not count.
func (p *Portal) mayChange(ctx context.Context, user web.User) error {
	return p.limit(ctx, user, func(change mapper.Change) bool { return change.Action != mapper.Freeze })
}

// limit counts those changes of the person for which counts is true.
func (p *Portal) limit(ctx context.Context, user web.User, counts func(mapper.Change) bool) error {
	changes, err := p.History.History(ctx, mapper.ID(user.ID), historyLength)
	if err != nil {
		return err
	}
	now, made := p.Now(), 0
	for _, change := range changes { // the newest first
		// Stopping a change is not limited, and one that was held was counted when it was asked for.
		asked := change.Action == mapper.Hold || change.AskedAt.IsZero()
		if !change.ByBeneficiary || !asked || !counts(change) || now.Sub(change.At) >= changesWindow {
			continue
		}
		if made++; made == maxChanges {
			return tooManyChanges(change.At.Add(changesWindow).Sub(now))
		}
	}
	return nil
}

func tooManyChanges(wait time.Duration) error {
	return &explanation{status: http.StatusTooManyRequests, title: "error.too_many_changes.title", retryAfter: wait,
		texts: []string{"error.too_many_changes.text", "error.too_many_changes.advice"}, label: "error.to_account", href: accountPath}
}
