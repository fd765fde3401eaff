package browsertest

import (
	"context"
	"fmt"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// axeRun reports what axe-core finds, one line each.
const axeRun = `axe.run(document, {runOnly: %s}).then(result =>
	result.violations.flatMap(v => v.nodes.map(n => v.id + ": " + v.help + ": " + n.html)))`

// The rules of WCAG 2.2 AA and of good practice, and those of them that the colours can break.
const (
	allRules = `{type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}`
	ofColour = `{type: "rule", values: ["color-contrast", "link-in-text-block"]}`
)

// Accessible checks the page with axe-core, in light and in dark colours, and that nothing sticks out of a narrow screen.
func (t *Tab) Accessible() {
	t.tb.Helper()
	if t.axe == "" {
		return
	}
	for _, violation := range t.Violations() {
		t.tb.Errorf("%s: %s", t.Path(), violation)
	}
}

// Violations returns what [Tab.Accessible] would complain about.
func (t *Tab) Violations() []string {
	t.tb.Helper()
	var list []string
	t.Scheme("light")
	list = append(list, t.axeFinds(allRules, "light colours")...)
	t.Scheme("dark")
	list = append(list, t.axeFinds(ofColour, "dark colours")...)
	t.do("make the window narrow", chromedp.EmulateViewport(narrow, 640))
	if wide := run(t, "measure the page", chromedp.Evaluate[int]("document.documentElement.scrollWidth")); wide > narrow {
		list = append(list, fmt.Sprintf("%d pixels wide on a screen of %d", wide, narrow))
	}
	t.do("make the window wide", chromedp.EmulateViewport(t.width, 800))
	return list
}

// axeFinds returns what axe-core has against the page as it is shown.
func (t *Tab) axeFinds(rules, where string) []string {
	t.tb.Helper()
	var list []string
	run(t, "load axe-core", chromedp.Evaluate[any]("if (!window.axe) {"+t.axe+"\n};0"))
	for _, violation := range run(t, "run axe-core", chromedp.Evaluate[[]string](fmt.Sprintf(axeRun, rules), chromedp.EvalAwaitPromise)) {
		list = append(list, where+": "+violation)
	}
	return list
}

// narrow is the width of the smallest screen that pages must fit on, in CSS pixels.
const narrow = 320

// call sends a command of the protocol that has no action.
func call[P, R any](t *Tab, what string, command cdp.Command[P, R], params P) {
	t.tb.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		t.fail("%s: %v", what, err)
	}
}
