package main

import (
	"context"
	"crypto"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"spar/keymgr"
)

// scenario is one kind of request in one size.
type scenario struct {
	action  string
	batch   int
	callers int
	ids     int // roughly how many ids each loop handles
}

func (s scenario) name(engine string) string {
	return fmt.Sprintf("%s %s %dx%d", engine, s.action, s.callers, s.batch)
}

// resolves are the scenarios of the table: a signed resolve with details.
func resolves(engine string) []scenario {
	var list []scenario
	ids := map[int]int{1: 6000, 10: 60_000, 100: 400_000, 1000: 1_000_000, 5000: 1_500_000}
	batches, callers := []int{1, 10, 100, 1000, 5000}, []int{1, 8, 64}
	if engine == "sqlite" {
		batches, callers = []int{1, 1000}, []int{1, 8}
	}
	for _, batch := range batches {
		for _, c := range callers {
			n := ids[batch]
			if c == 1 {
				n /= 3
			}
			list = append(list, scenario{"resolve", batch, c, n})
		}
	}
	return list
}

// measureRegistry fills a registry on a database and measures the partner API on it.
func measureRegistry(ctx context.Context, o options, out *report, engine, databaseURL string, rows int) (err error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if !only.MatchString(engine+" resolve") && !strings.Contains(o.only, engine) && o.only != "" {
		return nil
	}
	r, err := newRegistry(ctx, o, engine, databaseURL, rows)
	if err != nil {
		return err
	}
	defer func() {
		if closed := r.close(); err == nil {
			err = closed
		}
	}()
	var bare *bareLookup
	if engine == "postgres" {
		if bare, err = newBareLookup(ctx, databaseURL, r.dir+"/keys"); err != nil {
			return err
		}
		defer bare.close()
	}
	b := &bench{options: o, registry: r, bare: bare, engine: engine, rows: rows, out: out}
	for _, s := range resolves(engine) {
		if only.MatchString(s.name(engine)) {
			if err := b.resolve(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s.name(engine), err)
			}
		}
	}
	return b.changes(ctx, only)
}

// bench measures one registry.
type bench struct {
	options
	registry *registry
	bare     *bareLookup
	engine   string
	rows     int
	out      *report
}

// loops is how often the closed loop and the bare look-up take turns.
const loops = 3

func (b *bench) resolve(ctx context.Context, s scenario) error {
	n := max(s.ids/s.batch, 2*s.callers)
	if b.quick {
		n = max(n/10, s.callers)
	}
	fmt.Fprintf(os.Stderr, "%s: signing %d requests\n", s.name(b.engine), (loops+1)*n)
	people := make([][]int, n)
	for i := range people {
		people[i] = make([]int, s.batch)
		for j := range people[i] {
			people[i][j] = rand.IntN(b.rows)
		}
	}
	g := newGenerator(b.registry.base, s.callers)
	defer g.close()
	m := result{Name: s.name(b.engine)}
	var took, bareTook time.Duration
	var used cpuTimes
	for range loops {
		requests := signAll(b.registry.key, "resolve", n, func(i int) []string { return resolveItems(people[i]) }, "succ.id.active")
		if b.bare != nil {
			t, err := b.bare.run(ctx, s.callers, people)
			if err != nil {
				return fmt.Errorf("bare look-up: %w", err)
			}
			bareTook += t
		}
		t, cpu, err := b.closed(ctx, g, s.callers, requests)
		if err != nil {
			return err
		}
		took += t
		used = cpuTimes{used.server + cpu.server, used.postgres + cpu.postgres, used.generator + cpu.generator}
	}
	m.fill(took, used, loops*n*s.batch)
	if b.bare != nil {
		m.Bare = float64(loops*n*s.batch) / bareTook.Seconds()
		m.Share = m.PerSecond / m.Bare
	}
	requests := signAll(b.registry.key, "resolve", n, func(i int) []string { return resolveItems(people[i]) }, "succ.id.active")
	if err := b.open(ctx, g, s.callers, requests, s.batch, &m); err != nil {
		return err
	}
	b.add(m)
	return nil
}

func (m *result) fill(took time.Duration, used cpuTimes, ids int) {
	perID := func(t time.Duration) float64 { return float64(t.Microseconds()) / float64(ids) }
	m.PerSecond = float64(ids) / took.Seconds()
	m.Server, m.Postgres, m.Generator = perID(used.server), perID(used.postgres), perID(used.generator)
}

func (b *bench) add(m result) {
	m.MemoryMB = highWater(b.registry.process.Process.Pid)
	b.out.Results = append(b.out.Results, m)
	fmt.Fprintf(os.Stderr, "%s: %.0f/s, share %.2f, p99 %.1f ms, server %.1f us/id\n", m.Name, m.PerSecond, m.Share, m.P99, m.Server)
}

// closed runs a closed loop and returns how long it took and what it cost.
func (b *bench) closed(ctx context.Context, g *generator, callers int, requests []request) (time.Duration, cpuTimes, error) {
	runtime.GC() // of what signing left, so that the loop is not charged for it
	postmaster := 0
	if b.bare != nil {
		postmaster = b.bare.postmaster
	}
	server := b.registry.process.Process.Pid
	before, err := readCPU(server, postmaster)
	if err != nil {
		return 0, cpuTimes{}, err
	}
	took, err := closedLoop(callers, len(requests), func(i int) error { return g.send(ctx, requests[i], i == 0) })
	if err != nil {
		return 0, cpuTimes{}, err
	}
	after, err := readCPU(server, postmaster)
	return took, after.since(before), err
}

// open runs an open loop at four fifths of the throughput that was measured.
func (b *bench) open(ctx context.Context, g *generator, callers int, requests []request, batch int, m *result) error {
	runtime.GC()
	m.Rate = 0.8 * m.PerSecond / float64(batch)
	latencies, err := openLoop(callers, len(requests), m.Rate, func(i int) error { return g.send(ctx, requests[i], i == 0) })
	m.P50, m.P95, m.P99 = percentile(latencies, .5), percentile(latencies, .95), percentile(latencies, .99)
	return err
}

// changes links, updates and unlinks new people, in batches of a thousand.
func (b *bench) changes(ctx context.Context, only *regexp.Regexp) error {
	const batch = 1000
	batches := 100
	if b.quick || b.engine == "sqlite" {
		batches = 20
	}
	for _, callers := range []int{1, 4} {
		first := b.rows + callers*10_000_000
		for _, action := range []string{"link", "update", "unlink"} {
			s := scenario{action, batch, callers, 0}
			if !only.MatchString(s.name(b.engine)) {
				if action == "link" {
					break // the others need what it linked
				}
				continue
			}
			requests := signAll(b.registry.key, action, batches, func(i int) []string { return changeItems(action, first+i*batch, batch) }, `"succ"`)
			g := newGenerator(b.registry.base, callers)
			took, used, err := b.closed(ctx, g, callers, requests)
			g.close()
			if err != nil {
				return fmt.Errorf("%s: %w", s.name(b.engine), err)
			}
			m := result{Name: s.name(b.engine)}
			m.fill(took, used, batches*batch)
			if b.bare != nil && action == "link" {
				if m.Bare, err = b.bare.copyRows(ctx, batches*batch); err != nil {
					return fmt.Errorf("bare COPY: %w", err)
				}
				m.Share = m.PerSecond / m.Bare
			}
			b.add(m)
		}
	}
	return nil
}

func resolveItems(people []int) []string {
	items := make([]string, len(people))
	for i, n := range people {
		items[i] = fmt.Sprintf(`{"reference_id":"%d","timestamp":"2026-03-06T09:32:48Z","id":"%s","scope":"details"}`, i, personID(n))
	}
	return items
}

func changeItems(action string, first, n int) []string {
	items := make([]string, n)
	for i := range items {
		fa := personFA(first + i)
		if action == "update" {
			fa = personFA(first + i + 500_000_000)
		}
		items[i] = fmt.Sprintf(`{"reference_id":"%d","timestamp":"2026-03-06T09:32:48Z","id":"%s","fa":"%s","name":"Amara Okafor Lindqvist","phone_number":"+12025550123"}`,
			i, personID(first+i), fa)
		if action == "unlink" {
			items[i] = fmt.Sprintf(`{"reference_id":"%d","timestamp":"2026-03-06T09:32:48Z","id":"%s"}`, i, personID(first+i))
		}
	}
	return items
}

// signAll makes signed requests on all processors.
func signAll(key crypto.Signer, action string, n int, items func(i int) []string, want string) []request {
	requests := make([]request, n)
	var group sync.WaitGroup
	for worker := range runtime.NumCPU() {
		group.Go(func() {
			for i := worker; i < n; i += runtime.NumCPU() {
				list := items(i)
				message := crand.Text()
				body := fmt.Appendf(nil, `{"signature":"","header":{"version":"1.0.0","message_id":"%s","message_ts":"%s","action":"%s","sender_id":"%s","total_count":%d},`+
					`"message":{"transaction_id":"%s","%s_request":[%s]}}`,
					message, time.Now().UTC().Format(time.RFC3339), action, partner, len(list), message, action, strings.Join(list, ","))
				signature, err := keymgr.Sign(key, body, true)
				if err != nil {
					panic(err) // a key of our own
				}
				requests[i] = request{path: "/mapper/sync/" + action, body: body, signature: signature, want: want}
			}
		})
	}
	group.Wait()
	return requests
}
