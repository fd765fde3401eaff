package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// request is one prepared request. Its body is signed.
type request struct {
	path      string
	body      []byte
	signature string
	want      string // must be in the answer of the first request of a loop; empty: nothing
	cookie    string
}

// generator sends requests to one server.
type generator struct {
	base   string
	client *http.Client
}

func newGenerator(base string, callers int) *generator {
	return &generator{base: base, client: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: callers, MaxConnsPerHost: callers, DisableCompression: true},
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (g *generator) close() { g.client.CloseIdleConnections() }

func (g *generator) send(ctx context.Context, r request, look bool) error {
	method := http.MethodPost
	if r.body == nil {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, g.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Signature", r.signature)
	}
	if r.cookie != "" {
		req.Header.Set("Cookie", r.cookie)
	}
	answer, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if !look && answer.StatusCode == http.StatusOK {
		_, err := io.Copy(io.Discard, answer.Body)
		return err
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || r.want != "" && !bytes.Contains(text, []byte(r.want)) {
		return fmt.Errorf("%s answered %d: %.300s", r.path, answer.StatusCode, text)
	}
	return nil
}

// closedLoop sends all requests with so many callers and returns the time it took.
func closedLoop(callers, n int, send func(i int) error) (time.Duration, error) {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var group sync.WaitGroup
	begin := time.Now()
	for range callers {
		group.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := send(i); err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
			}
		})
	}
	group.Wait()
	took := time.Since(begin)
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return took, nil
}

// openLoop sends requests at a fixed rate, whether or not earlier ones are answered, and returns the latencies, sorted, each
// from when its request was due. At most callers are under way at once; what has to wait for one of them is late,
// and that counts.
func openLoop(callers, n int, perSecond float64, send func(i int) error) ([]time.Duration, error) {
	interval := time.Duration(float64(time.Second) / perSecond)
	begin := time.Now().Add(10 * time.Millisecond)
	due := func(i int) time.Time { return begin.Add(time.Duration(i) * interval) }
	latencies := make([]time.Duration, n)
	_, err := closedLoop(callers, n, func(i int) error {
		time.Sleep(time.Until(due(i)))
		err := send(i)
		latencies[i] = time.Since(due(i))
		return err
	})
	slices.Sort(latencies)
	return latencies, err
}

func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]) / float64(time.Millisecond)
}
