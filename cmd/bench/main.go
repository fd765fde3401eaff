// Command bench measures SPAR as its partners and people meet it: real servers, real signed requests, over HTTP, beside
// the bare look-up of the same rows in the same run. scripts/bench.sh (make bench) builds everything and starts a
// PostgreSQL for it.
//
// Throughput comes from a closed loop: as many callers as the scenario says, each sending its next request when it has the
// answer. Latency comes from an open loop at four fifths of that throughput: requests are due at fixed times, and each is
// timed from when it was due, so that a server that stalls is charged for every request that had to wait (no coordinated
// omission). Requests are signed before the clock starts.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// options of a run.
type options struct {
	postgres string // URL of an empty database; empty: SQLite only
	spar     string // the program
	rows     int
	dir      string
	json     string
	text     string
	only     string
	quick    bool
}

func main() {
	var o options
	flag.StringVar(&o.postgres, "postgres", os.Getenv("TEST_POSTGRES_URL"), "URL of an empty PostgreSQL database on this machine; empty: measure SQLite only")
	flag.StringVar(&o.spar, "spar", "bin/spar", "the program to measure")
	flag.IntVar(&o.rows, "rows", 1_000_000, "links in the registry")
	flag.StringVar(&o.dir, "dir", "", "where keys, files and logs are kept; a temporary directory if empty")
	flag.StringVar(&o.json, "json", "", "write the results as JSON to this file")
	flag.StringVar(&o.text, "text", "", "write the results for benchstat to this file")
	flag.StringVar(&o.only, "only", "", "a regular expression: only the scenarios whose name it matches")
	flag.BoolVar(&o.quick, "quick", false, "a tenth of the requests: to see that it works")
	compare := flag.String("compare", "", "print the results of -json beside those of this earlier file, and measure nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *compare != "" {
		err = printComparison(os.Stdout, *compare, o.json)
	} else {
		err = measure(ctx, o)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// report is everything a run found.
type report struct {
	At      time.Time `json:"at"`
	Version string    `json:"version"`
	Go      string    `json:"go"`
	CPUs    int       `json:"cpus"`
	Rows    int       `json:"rows"`
	Results []result  `json:"results"`
}

// result is one row of the table. Zero means: not measured.
type result struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"per_second"`           // ids (or pages) in the closed loop
	Bare      float64 `json:"bare_per_second"`      // the bare look-up, or COPY, of the same ids in the same run
	Share     float64 `json:"share"`                // PerSecond / Bare
	P50       float64 `json:"p50_ms"`               // of requests, in the open loop
	P95       float64 `json:"p95_ms"`               //
	P99       float64 `json:"p99_ms"`               //
	Rate      float64 `json:"open_loop_per_second"` // requests that were due
	Server    float64 `json:"server_us"`            // CPU microseconds per id
	Postgres  float64 `json:"postgres_us"`          //
	Generator float64 `json:"generator_us"`         //
	MemoryMB  float64 `json:"server_memory_mb"`     // resident, highest so far
}

func measure(ctx context.Context, o options) error {
	if o.dir == "" {
		dir, err := os.MkdirTemp("", "spar-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.dir = dir
	}
	r := &report{At: time.Now().UTC(), Go: runtime.Version(), CPUs: runtime.NumCPU(), Rows: o.rows}
	if o.postgres != "" {
		if err := measureRegistry(ctx, o, r, "postgres", o.postgres, o.rows); err != nil {
			return fmt.Errorf("on PostgreSQL: %w", err)
		}
	}
	if err := measureRegistry(ctx, o, r, "sqlite", "sqlite://"+o.dir+"/bench.db", min(o.rows, 100_000)); err != nil {
		return fmt.Errorf("on SQLite: %w", err)
	}
	if err := measurePortal(ctx, o, r); err != nil {
		return fmt.Errorf("the portal: %w", err)
	}
	printTable(os.Stdout, r)
	if o.text != "" {
		if err := writeBenchstat(o.text, r); err != nil {
			return err
		}
	}
	if o.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(text, '\n'), 0o644)
}
