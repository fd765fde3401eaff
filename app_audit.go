package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"spar/internal/audit"
	"spar/internal/keyring"
)

// headInterval is how often the log is told where the audit log ends, if it has grown. Kept elsewhere, as logs are, the
// numbers and hashes prove later that nothing up to there was changed.
const headInterval = 10 * time.Minute

// lastRefusalsTimeout bounds how long the end of the process may wait for refusals to be written.
const lastRefusalsTimeout = 5 * time.Second

// openAudit opens the audit log, and begins it on a new database.
func (a *app) openAudit(ctx context.Context, ring *keyring.Ring) (err error) {
	if a.trail, err = audit.Open(ctx, a.db, ring.Audit, ring.NewAudit(), time.Now); err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	a.refusals = audit.NewRefusals(a.trail, a.partnerReferences, a.log, time.Now)
	return nil
}

// partnerReferences lists whose refused calls are recorded under their own name.
func (a *app) partnerReferences(ctx context.Context) ([]string, error) {
	partners, err := a.register.List(ctx)
	if err != nil {
		return nil, err
	}
	references := make([]string, 0, len(partners))
	for _, p := range partners {
		references = append(references, p.ReferenceID)
	}
	return references, nil
}

// recordStart records the keys that this start made, and the program's version if it is not the one that started last.
func (a *app) recordStart(ctx context.Context, created []string) error {
	by := audit.Actor{Kind: audit.System}
	var events []audit.Event
	for _, path := range created {
		events = append(events, audit.Event{Actor: by, Action: audit.KeyCreate, Target: filepath.Base(path)})
	}
	last, found, err := a.trail.Last(ctx, audit.ServerStart)
	if err != nil {
		return err
	}
	if !found || last.After != version {
		events = append(events, audit.Event{Actor: by, Action: audit.ServerStart, Target: "spar", Before: last.After, After: version})
	}
	if err := a.trail.Record(ctx, events...); err != nil {
		return fmt.Errorf("record the start: %w", err)
	}
	return a.noteHead(ctx)
}

// noteHead writes the end of the audit log to the log. It fails once that end is not as SPAR left it.
func (a *app) noteHead(ctx context.Context) error {
	head, err := a.trail.Head(ctx)
	if err != nil {
		return err
	}
	if head.Seq != a.notedHead {
		a.log.Info("audit log", "events", head.Seq, "hash", head.Hash)
		a.notedHead = head.Seq
	}
	return nil
}

// recordLastRefusals writes the refusals of the calls that were answered last, and the counts that still ran.
func (a *app) recordLastRefusals(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastRefusalsTimeout)
	defer cancel()
	if err := a.refusals.Flush(ctx, true); err != nil {
		a.log.Error("write refusals to the audit log", "error", err)
	}
}
