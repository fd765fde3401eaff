package mapper

import (
	"context"
	"sync"
	"time"
)

// gather lets concurrent callers share round trips to the database: while some are under way, whoever comes waits, and all
// who waited go together in the next. A caller alone waits for nobody. It is what makes a thousand single calls cost
// little more than one call of a thousand.
type gather[J any] struct {
	run   func(ctx context.Context, jobs []J) error // does all of the jobs or none of them
	limit int                                       // jobs in one run

	mu      sync.Mutex
	waiting []*waiter[J]
	running int
}

type waiter[J any] struct {
	job  J
	done chan error
}

const (
	gatherRuns    = 2 // at the same time: one waits for the disk while the next is prepared
	gatherTimeout = 10 * time.Second
)

// do has a job done together with others', and returns when it is. If ctx ends before, the job may still be done.
func (g *gather[J]) do(ctx context.Context, job J) error {
	w := &waiter[J]{job: job, done: make(chan error, 1)}
	g.mu.Lock()
	g.waiting = append(g.waiting, w)
	if g.running < gatherRuns {
		g.running++
		go g.work(context.WithoutCancel(ctx)) // it works for others too, whose calls do not end with this one
	}
	g.mu.Unlock()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work runs until nobody waits any more.
func (g *gather[J]) work(ctx context.Context) {
	for {
		g.mu.Lock()
		n := min(len(g.waiting), g.limit)
		if n == 0 {
			g.running--
			g.mu.Unlock()
			return
		}
		together := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.mu.Unlock()
		g.together(ctx, together)
	}
}

func (g *gather[J]) together(ctx context.Context, waiters []*waiter[J]) {
	jobs := make([]J, len(waiters))
	for i, w := range waiters {
		jobs[i] = w.job
	}
	ctx, cancel := context.WithTimeout(ctx, gatherTimeout)
	defer cancel()
	err := g.run(ctx, jobs)
	for _, w := range waiters {
		w.done <- err
	}
}
