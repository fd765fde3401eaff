package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"spar/internal/browsertest"
	"spar/internal/demo"
)

// startDemo runs the whole demonstration on free ports: everything as `spar demo` does it.
func startDemo(t *testing.T) *demonstration { return startDemoWith(t, func(*Config) {}) }

func startDemoWith(t *testing.T, change func(*Config)) *demonstration {
	t.Helper()
	command := demoCommand{Dir: t.TempDir(), Listen: "127.0.0.1:0", OpsListen: "127.0.0.1:0", Provider: "127.0.0.1:0"}
	cfg := command.config(command.Dir)
	change(&cfg)
	d, err := command.startWith(t.Context(), command.Dir, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

// resolve asks, as the sample bank, where somebody's money goes, with the command that the demo prints: openssl and curl.
func resolve(t *testing.T, d *demonstration, id string) (code, fa string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "sh", "-c", demo.ResolveCommand(d.banner.BaseURL, d.banner.KeyPath, id)).Output()
	if err != nil {
		t.Fatalf("resolve: %v: %s", err, output)
	}
	var answer struct {
		Message struct {
			Items []struct {
				Code string `json:"status_reason_code"`
				FA   string `json:"fa"`
			} `json:"resolve_response"`
		} `json:"message"`
	}
	if err := json.Unmarshal(output, &answer); err != nil || len(answer.Message.Items) != 1 {
		t.Fatalf("resolve answered %s (%v)", output, err)
	}
	return answer.Message.Items[0].Code, answer.Message.Items[0].FA
}

// A person logs in with National ID, links a bank account and sees it; the bank's system resolves it; the person removes
// it again. Once as most people do it, and once in a browser without scripts.
func TestJourney(t *testing.T) {
	t.Run("with scripts", func(t *testing.T) {
		journey(t, browsertest.Options{Axe: filepath.Join("node_modules", "axe-core", "axe.min.js")})
	})
	t.Run("without scripts, on a small screen", func(t *testing.T) {
		journey(t, browsertest.Options{WithoutScripts: true, Width: 320})
	})
}

func journey(t *testing.T, options browsertest.Options) {
	d := startDemo(t)
	person, _ := demo.PersonByKey("amina-diallo")
	if code, _ := resolve(t, d, person.MapperID()); code != "succ.id.not_found" {
		t.Fatalf("before the journey: %s", code)
	}
	tab := browsertest.Open(t, options)
	logIn(tab, d, person)
	tab.Sees("Where your money goes")
	tab.Accessible()

	tab.Press("Link an account")
	tab.Sees("Where do you want your money to go?")
	tab.Press("Continue")
	told(t, tab, options, "Choose a bank account or a wallet")
	tab.Click("label[for=kind-1]")
	tab.Press("Continue")
	findBranch(tab, options)
	tab.Sees("What is your account number?")
	tab.Accessible()
	tab.Type("#account_number", "12")
	tab.Press("Continue")
	told(t, tab, options, "An account number of Kitemba Cooperative Bank has 11 digits. You typed 2.")
	tab.Type("#account_number", "0012 3456-789")
	tab.Press("Continue")
	tab.Sees("Check before you confirm")
	if got := tab.Text(".answers strong"); got != "0012 3456 789" {
		t.Errorf("to be confirmed: %q", got)
	}
	tab.Accessible()
	tab.Press("Confirm")
	tab.Sees("Your account is linked")
	tab.Accessible()
	reference := tab.Text(".reference")

	code, fa := resolve(t, d, person.MapperID())
	if code != "succ.id.active" || fa != "account:00123456789@103003.KITCOOP.bank_acc" {
		t.Errorf("the bank resolves %s to %q", code, fa)
	}
	tab.Press("Go to your account")
	tab.Sees("Where your money goes")
	if got := tab.Text(".account-number"); got != "•••• 6789 ending in 6 7 8 9" && got != "•••• 6789" {
		t.Errorf("the account is shown as %q", got)
	}
	tab.Accessible()
	tab.Press("History")
	tab.Sees("History of changes")
	if got := tab.Text(".changes .break"); got != reference {
		t.Errorf("the history shows reference %q, want %q", got, reference)
	}
	tab.Accessible()
	tab.Press("Who looked")
	tab.Sees("Who looked up your details")
	seen(tab, "lookups")
	tab.Press("Profile")
	tab.Sees("Your profile")
	tab.Accessible()

	tab.Press("Your account")
	tab.Press("Remove account")
	tab.Sees("Do you want to remove your account?")
	tab.Accessible()
	tab.Press("Yes, remove the account")
	tab.Sees("Your account is removed")
	tab.Accessible()
	if code, _ := resolve(t, d, person.MapperID()); code != "succ.id.not_found" {
		t.Errorf("after the removal: %s", code)
	}
	tab.Press("Sign out")
	tab.Sees("Choose where your benefits are paid")
	tab.Visit(d.banner.BaseURL + "/account")
	tab.Sees("Who are you today?")
	tab.Clean()
}

func logIn(tab *browsertest.Tab, d *demonstration, person demo.Person) {
	tab.Visit(d.banner.BaseURL)
	tab.Sees("Choose where your benefits are paid")
	tab.Accessible()
	tab.Press("Continue with National ID")
	tab.Sees("Who are you today?")
	tab.Click("button[value=" + person.Key + "]")
}

// told checks that the person is told what to correct: in the title, in the summary, which has the focus, and the focus
// goes from there to the field.
func told(t *testing.T, tab *browsertest.Tab, options browsertest.Options, want string) {
	t.Helper()
	tab.Shows(".error-summary")
	if got := tab.Text(".error-summary a"); got != want {
		t.Errorf("the error is %q, want %q", got, want)
	}
	if got := tab.Title(); !strings.HasPrefix(got, "Error: ") {
		t.Errorf("the title is %q", got)
	}
	tab.Accessible()
	if options.WithoutScripts {
		return
	}
	tab.HasFocus(".error-summary")
	tab.Click(".error-summary a")
	tab.HasFocus(".field-wrong input")
}

// findBranch searches while typing where there are scripts, and else by the form.
func findBranch(tab *browsertest.Tab, options browsertest.Options) {
	tab.Sees("Which bank branch holds your account?")
	tab.Accessible()
	tab.Type("#q", "kitemba coop baobab")
	if options.WithoutScripts {
		tab.Press("Search")
	}
	const only = "#results form:not(:has(li + li)) button.pick" // not what was found while typing
	tab.Shows(only)
	tab.Accessible()
	tab.Click(only)
}
