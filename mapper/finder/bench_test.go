package finder_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

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

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkBuild(b *testing.B) {
	banks, branches := rows(180_000)
	before := heap()
	var x *finder.Index
	for b.Loop() {
		x = build(b, banks, branches)
	}
	b.ReportMetric(float64(heap()-before)/1e6, "MB")
	runtime.KeepAlive(x)
}

var searches = []string{
	"sbi mumbai andheri", "state bnak of india andhri", "punjab natl bank delhi", "hdfc", "bank", "s", "st", "delhi", "SBIN0001234", "PUNB0", "connaught plce new dehli",
	"state bank of india main branch road near station complex", "canara bangalor indranagar", "xyzzy", "a b c d e f g h i j", "maharashtra cooperative nagarik sahakari",
	"qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "inidan oversaes bannk chenai mylpore tamilnadu", "uttarpradesh gandhinagarpuram kalyananagaram", "400069",
}

func BenchmarkFind(b *testing.B) {
	banks, branches := rows(180_000)
	x := build(b, banks, branches)
	var took []time.Duration
	slowest := map[string]time.Duration{}
	n := 0
	for b.Loop() {
		text := searches[n%len(searches)]
		start := time.Now()
		x.Find(finder.Query{Text: text, Limit: 20})
		d := time.Since(start)
		took = append(took, d)
		slowest[text] = max(slowest[text], d)
		n++
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	if testing.Verbose() {
		for _, text := range searches {
			fmt.Println(slowest[text], text)
		}
	}
}
