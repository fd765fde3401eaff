package finder_test

import (
	"runtime"
	"testing"

	"spar/mapper/finder"
	"spar/mapper/mappertest"
)

func rows(n int) ([]finder.Bank, []finder.Branch) {
	providers, branches := mappertest.IFSC(n)
	var banks []finder.Bank
	for _, p := range providers {
		banks = append(banks, finder.Bank{Code: p.Code, Name: p.Name, Active: p.Active})
	}
	list := make([]finder.Branch, 0, len(branches))
	for _, b := range branches {
		list = append(list, finder.Branch{Bank: b.DFSP, Code: b.Code, Name: b.Name, Town: b.Town, Area: b.Area, Address: b.Address, Active: b.Active})
	}
	return banks, list
}

func build(tb testing.TB, banks []finder.Bank, branches []finder.Branch) *finder.Index {
	tb.Helper()
	x, err := finder.Build(banks, func(yield func(finder.Branch, error) bool) {
		for _, b := range branches {
			if !yield(b, nil) {
				return
			}
		}
	})
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkBuild makes the index of a directory of real size; MB is what it occupies afterwards.
func BenchmarkBuild(b *testing.B) {
	banks, branches := rows(180_000)
	before := heap()
	var x *finder.Index
	for b.Loop() {
		x = build(b, banks, branches)
	}
	b.ReportMetric((heap()-before)/1e6, "MB")
	runtime.KeepAlive(x)
	runtime.KeepAlive(branches)
}

// BenchmarkFind searches for what people type, and for what costs most.
func BenchmarkFind(b *testing.B) {
	banks, branches := rows(180_000)
	x := build(b, banks, branches)
	for _, text := range mappertest.Searches {
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				x.Find(finder.Query{Text: text, Limit: 10})
			}
		})
	}
}
