// Package browsertest drives a real Chromium for tests: it presses what a person would press, and collects whatever the
// browser complains about. It knows nothing of our pages. A machine without Chromium fails the tests that need it;
// scripts/install.sh installs it.
package browsertest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// patience is how long anything may take before the test fails: far more than it ever needs.
const patience = 60 * time.Second

// Options of a browser.
type Options struct {
	WithoutScripts bool
	Width          int64  // of the window, in CSS pixels; a desktop if 0
	Axe            string // path of axe.min.js; [Tab.Accessible] does nothing if empty
}

// Tab is a browser with a profile of its own and one open page. A step that fails ends the test.
type Tab struct {
	tb    testing.TB
	ctx   context.Context
	width int64
	axe   string // source of axe-core

	mu         sync.Mutex
	complaints []string
}

// Open starts a Chromium, which ends with the test.
func Open(tb testing.TB, options Options) *Tab {
	tb.Helper()
	t := &Tab{tb: tb, width: options.Width}
	if t.width == 0 {
		t.width = 1100
	}
	if options.Axe != "" {
		source, err := os.ReadFile(options.Axe)
		if err != nil {
			tb.Fatalf("axe-core is not there, run make assets: %v", err)
		}
		t.axe = string(source)
	}
	allocator, cancel := chromedp.NewExecAllocator(tb.Context(),
		chromedp.ExecPath(find(tb)), chromedp.UserDataDir(tb.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true))
	tb.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithListener(t.listen))
	// Waits for the browser to end, so that it no longer writes to its profile when that is removed.
	tb.Cleanup(func() {
		_ = chromedp.Cancel(ctx)
		cancel()
	})
	t.ctx = ctx
	// The tab lives as long as the context of its first step, so this one has no time limit.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(t.width, 800)); err != nil {
		tb.Fatalf("start Chromium: %v", err)
	}
	if options.WithoutScripts {
		call(t, "switch scripts off", emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	}
	return t
}

func find(tb testing.TB) string {
	tb.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	tb.Fatal("no Chromium is installed: run scripts/install.sh")
	return ""
}

// listen collects what the browser complains about: errors and warnings on the console, refusals by the content security
// policy, and exceptions. That a form was answered with 422 is not a complaint.
func (t *Tab) listen(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Source == "network" && strings.Contains(e.Entry.Text, "422") {
			return
		}
		if e.Entry.Level == "error" || e.Entry.Level == "warning" || e.Entry.Source == "security" {
			t.complain(fmt.Sprintf("%s %s: %s", e.Entry.Source, e.Entry.Level, e.Entry.Text))
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == "error" || e.Type == "warning" || e.Type == "assert" {
			t.complain(fmt.Sprintf("console %s", e.Type))
		}
	case *runtime.EventExceptionThrown:
		t.complain("exception: " + e.ExceptionDetails.Text)
	}
}

func (t *Tab) complain(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.complaints = append(t.complaints, text)
}

// Complaints returns what the browser complained about since the last call.
func (t *Tab) Complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.complaints
	t.complaints = nil
	return list
}

// Clean checks that the browser has not complained about anything so far.
func (t *Tab) Clean() {
	t.tb.Helper()
	for _, complaint := range t.Complaints() {
		t.tb.Errorf("the browser complains: %s", complaint)
	}
}

func (t *Tab) do(what string, action chromedp.Action[chromedp.Void]) {
	t.tb.Helper()
	run(t, what, action)
}

func run[T any](t *Tab, what string, action chromedp.Action[T]) T {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.fail("%s: %v", what, err)
	}
	return value
}

// fail says where the browser was, and keeps a picture of it among the test's artifacts.
func (t *Tab) fail(format string, args ...any) {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	where, _ := chromedp.Run(ctx, chromedp.Location())
	heading, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector("h1") ? document.querySelector("h1").textContent.trim() : ""`))
	if picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100)); err == nil {
		_ = os.WriteFile(filepath.Join(t.tb.ArtifactDir(), "failed.png"), picture, 0o644)
	}
	t.tb.Fatalf("%s\nat %s, %q; complaints: %q", fmt.Sprintf(format, args...), where, heading, t.Complaints())
}

// Visit opens an address.
func (t *Tab) Visit(address string) {
	t.tb.Helper()
	t.do("visit "+address, chromedp.Navigate(address))
}

// Back is the browser's Back button.
func (t *Tab) Back() {
	t.tb.Helper()
	t.do("go back", chromedp.NavigateBack())
}

// Sees waits for a page with this heading.
func (t *Tab) Sees(heading string) {
	t.tb.Helper()
	t.do("wait for the heading "+heading, chromedp.WaitVisible(chromedp.Search(fmt.Sprintf("//h1[normalize-space()=%s]", quote(heading)))))
}

// Shows waits until something that CSS selects is visible.
func (t *Tab) Shows(selector string) {
	t.tb.Helper()
	t.do("wait for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Press clicks the first button or link whose text contains label.
func (t *Tab) Press(label string) {
	t.tb.Helper()
	path := fmt.Sprintf("(//button[contains(normalize-space(),%[1]s)] | //a[contains(normalize-space(),%[1]s)])[1]", quote(label))
	t.do("press "+label, chromedp.Click(chromedp.Search(path), chromedp.NodeVisible))
}

// Click clicks the first thing that CSS selects.
func (t *Tab) Click(selector string) {
	t.tb.Helper()
	t.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// Type replaces the text of a field, key by key.
func (t *Tab) Type(selector, text string) {
	t.tb.Helper()
	t.do("go to "+selector, chromedp.Focus(chromedp.CSS(selector), chromedp.NodeVisible))
	run(t, "select the text of "+selector, chromedp.Evaluate[any](fmt.Sprintf("document.querySelector(%q).select()", selector)))
	t.do("type into "+selector, chromedp.KeyEvent(text))
}

// Choose chooses a file for a field.
func (t *Tab) Choose(selector, path string) {
	t.tb.Helper()
	t.do("choose a file for "+selector, chromedp.SetUploadFiles(chromedp.CSS(selector), []string{path}))
}

// Text is the visible text of the first thing that CSS selects, with single spaces.
func (t *Tab) Text(selector string) string {
	t.tb.Helper()
	return strings.Join(strings.Fields(run(t, "read "+selector, chromedp.Text(chromedp.CSS(selector)))), " ")
}

// HasFocus checks that what CSS selects has the keyboard's focus.
func (t *Tab) HasFocus(selector string) {
	t.tb.Helper()
	if !run(t, "find the focus", chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", selector))) {
		t.fail("the focus is not on %s but on %s", selector, t.focused())
	}
}

// Title of the page.
func (t *Tab) Title() string {
	t.tb.Helper()
	return run(t, "read the title", chromedp.Title())
}

// Path of the page's address.
func (t *Tab) Path() string {
	t.tb.Helper()
	u, err := url.Parse(run(t, "read the address", chromedp.Location()))
	if err != nil {
		t.tb.Fatal(err)
	}
	return u.RequestURI()
}

// Picture saves the whole page as PNG among the test's artifacts.
func (t *Tab) Picture(name string) {
	t.tb.Helper()
	picture := run(t, "take a picture", chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(t.tb.ArtifactDir(), name+".png"), picture, 0o644); err != nil {
		t.tb.Fatal(err)
	}
}

// quote makes an XPath string of a text.
func quote(text string) string {
	if !strings.Contains(text, `"`) {
		return `"` + text + `"`
	}
	return "'" + text + "'"
}

// Keys presses keys, one after another, on whatever has the focus.
func (t *Tab) Keys(keys string) {
	t.tb.Helper()
	t.do("press keys", chromedp.KeyEvent(keys))
}

// TabTo presses the tab key until what CSS selects has the focus.
func (t *Tab) TabTo(selector string) {
	t.tb.Helper()
	for range 60 {
		if run(t, "find the focus", chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", selector))) {
			return
		}
		t.Keys(kb.Tab)
	}
	t.fail("the tab key does not lead to %s", selector)
}
