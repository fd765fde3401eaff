package demo_test

import (
	"regexp"
	"testing"

	"spar/internal/demo"
	"spar/mapper"
)

func TestDirectoryIsLargeEnoughAndConsistent(t *testing.T) {
	providers, branches, err := demo.Directory()
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(`^[A-Z0-9]+$`)
	kinds, names := map[mapper.Kind]int{}, map[string]bool{}
	banks := map[string]bool{}
	for _, p := range providers {
		kinds[p.Kind]++
		if names[p.Name] || names[p.Code] || !code.MatchString(p.Code) || !p.Active {
			t.Errorf("provider %+v", p)
		}
		names[p.Name], names[p.Code] = true, true
		banks[p.Code] = p.Kind == mapper.Bank
	}
	if kinds[mapper.Bank] < 12 || kinds[mapper.MobileWallet] == 0 || kinds[mapper.EmailWallet] == 0 ||
		kinds[mapper.MobileWallet]+kinds[mapper.EmailWallet] != 6 || len(kinds) != 3 {
		t.Errorf("providers by kind: %v", kinds)
	}

	strategies, err := demo.Strategies()
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]bool{}
	for _, s := range strategies {
		rules[s.Name] = true
		if err := mapper.Compile(s); err != nil || s.Example != "" && s.Verify(s.Plain(s.Example)) != "" || s.Example != s.Grouped(s.Plain(s.Example)) {
			t.Errorf("strategy %+v: %v", s, err)
		}
	}
	for _, p := range providers {
		if p.Strategy != "" && !rules[p.Strategy] {
			t.Errorf("%s has strategy %q", p.Code, p.Strategy)
		}
	}

	towns, codes, of := map[string]int{}, map[string]bool{}, map[string]int{}
	for _, b := range branches {
		if !banks[b.DFSP] || codes[b.DFSP+b.Code] || !code.MatchString(b.Code) || b.Name == "" || b.Town == "" || !b.Active {
			t.Errorf("branch %+v", b)
		}
		codes[b.DFSP+b.Code] = true
		towns[b.Town]++
		of[b.DFSP]++
	}
	if len(branches) < 150 || len(towns) < 10 || len(of) != kinds[mapper.Bank] {
		t.Errorf("%d branches of %d banks in %d towns", len(branches), len(of), len(towns))
	}
}
