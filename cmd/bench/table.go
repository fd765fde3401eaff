package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

func printTable(w io.Writer, r *report) {
	fmt.Fprintf(w, "\n%d links, %s, %d processors, %s\n", r.Rows, r.Go, r.CPUs, r.At.Format("2006-01-02 15:04"))
	fmt.Fprintln(w, "us/id: CPU microseconds per id (or page) in each process. Latencies: open loop at four fifths of the throughput.")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "measured\tper second\tbare\tshare\tp50 ms\tp95 ms\tp99 ms\tserver us/id\tpostgres us/id\tgenerator us/id\tmemory MB\t")
	for _, m := range r.Results {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", m.Name, figure(m.PerSecond, 0), figure(m.Bare, 0), figure(m.Share, 2),
			figure(m.P50, 1), figure(m.P95, 1), figure(m.P99, 1), figure(m.Server, 1), figure(m.Postgres, 1), figure(m.Generator, 1), figure(m.MemoryMB, 0))
	}
	t.Flush()
}

func figure(value float64, digits int) string {
	if value == 0 {
		return "-"
	}
	return strconv.FormatFloat(value, 'f', digits, 64)
}

// writeBenchstat writes the results in the form of go test -bench, which benchstat compares.
func writeBenchstat(path string, r *report) error {
	var b strings.Builder
	for _, m := range r.Results {
		fmt.Fprintf(&b, "Benchmark%s 1 %.1f ns/op %.1f ids/s %.3f share %.3f p99-ms %.2f server-us/id\n",
			strings.ReplaceAll(m.Name, " ", "_"), 1e9/m.PerSecond, m.PerSecond, m.Share, m.P99, m.Server)
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// printComparison prints the throughput, share and latency of two runs side by side. Throughput depends on the machine and
// on what else it did; the share much less so.
func printComparison(w io.Writer, before, after string) error {
	var old, now report
	for path, r := range map[string]*report{before: &old, after: &now} {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, r); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	known := map[string]result{}
	for _, m := range old.Results {
		known[m.Name] = m
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "measured\tper second\tbefore\tratio\tshare\tbefore\tp99 ms\tbefore\tserver us/id\tbefore\t")
	for _, m := range now.Results {
		b, ok := known[m.Name]
		if !ok {
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", m.Name, figure(m.PerSecond, 0), figure(b.PerSecond, 0), figure(m.PerSecond/b.PerSecond, 2),
			figure(m.Share, 2), figure(b.Share, 2), figure(m.P99, 1), figure(b.P99, 1), figure(m.Server, 1), figure(b.Server, 1))
	}
	return t.Flush()
}
