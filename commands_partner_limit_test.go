package main

import (
	"strings"
	"testing"
)

func TestPartnerLimitCommand(t *testing.T) {
	certificate, _ := openssl(t, "Bank A")
	eachDatabase(t, func(t *testing.T, environ []string) {
		run := func(want int, args ...string) (stdout, stderr string) {
			t.Helper()
			code, stdout, stderr := command(t, "", environ, append([]string{"partner"}, args...)...)
			if code != want {
				t.Fatalf("%v: status %d, want %d: %s", args, code, want, stderr)
			}
			return stdout, stderr
		}
		has := func(what string, want limitsView) {
			t.Helper()
			if got := shownPartner(t, environ, "PARTNER-A").Limits; got != want {
				t.Errorf("%s: %+v, want %+v", what, got, want)
			}
		}
		run(0, "add", "PARTNER-A", "--certificate", certificate, "--max-batch", "500", "--items-per-second", "20", "--bulk-items-per-second", "300")
		has("added", limitsView{500, 20, 300})
		if stdout, _ := run(0, "limit", "PARTNER-A", "--items-per-second", "30"); stdout != "PARTNER-A has limits: 500 items in a message, 30 a second, 300 a second in payment lists\n" {
			t.Errorf("limit prints %q", stdout)
		}
		has("one limit changed", limitsView{500, 30, 300})
		if show, _ := run(0, "show", "PARTNER-A"); !strings.Contains(show, "Items in a message  500\n") || !strings.Contains(show, "30; in payment lists 300\n") {
			t.Errorf("show:\n%s", show)
		}
		if list, _ := run(0, "list"); !strings.Contains(list, "nothing      500    30    300") {
			t.Errorf("list:\n%s", list)
		}
		run(0, "limit", "PARTNER-A", "--max-batch", "0", "--bulk-items-per-second", "0")
		has("two limits taken away", limitsView{0, 30, 0})
		for _, test := range []struct {
			code int
			want string
			args []string
		}{
			{2, "expected some of --max-batch", []string{"limit", "PARTNER-A"}},
			{2, "--max-batch: expected a number from 1 to 10000, or 0", []string{"limit", "PARTNER-A", "--max-batch", "10001"}},
			{2, "--items-per-second: expected a number", []string{"limit", "PARTNER-A", "--items-per-second=-1"}},
			{2, "--bulk-items-per-second: expected a number", []string{"add", "PARTNER-B", "--draft", "--bulk-items-per-second", "1000000001"}},
			{2, "--max-batch", []string{"limit", "PARTNER-A", "--max-batch", "many"}},
			{1, "no such partner", []string{"limit", "NOBODY", "--max-batch", "5"}},
		} {
			if _, stderr := run(test.code, test.args...); !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("%v: %q, want one line with %q", test.args, stderr, test.want)
			}
		}
		has("what was refused changes nothing", limitsView{0, 30, 0})
	})
}

// Where two persons are wanted, a command lowers limits and prepares higher ones: the general limits are the configured.
func TestPartnerLimitCommandOfTwoPersons(t *testing.T) {
	certificate, _ := openssl(t, "Bank A")
	eachDatabase(t, func(t *testing.T, environ []string) {
		if code, _, stderr := command(t, "", environ, "partner", "add", "PARTNER-A", "--certificate", certificate); code != 0 {
			t.Fatal(stderr)
		}
		environ = append(environ, "SPAR_ONBOARDING__TWO_PERSON=true", "SPAR_LIMITS__ITEMS_PER_SECOND=40")
		for _, test := range []struct {
			rate, prints string
			holds        int
		}{{"50", "prepared as ", 0}, {"30", "PARTNER-A has limits", 30}, {"31", "prepared as ", 30}, {"0", "prepared as ", 30}} {
			code, stdout, stderr := command(t, "", environ, "partner", "limit", "PARTNER-A", "--items-per-second", test.rate)
			if code != 0 || !strings.Contains(stdout, test.prints) {
				t.Errorf("%s a second: status %d, %q %s; want %q", test.rate, code, stdout, stderr, test.prints)
			}
			if got := shownPartner(t, environ, "PARTNER-A").Limits.ItemsPerSecond; got != test.holds {
				t.Errorf("%s a second: %d hold, want %d", test.rate, got, test.holds)
			}
		}
		if _, stdout, _ := command(t, "", environ, "partner", "pending"); strings.Count(stdout, "configure") != 3 || !strings.Contains(stdout, "50 a second") {
			t.Errorf("pending:\n%s", stdout)
		}
	})
}
