package browsertest

import (
	"context"
	"fmt"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// axeRun reports what axe-core finds by the rules of WCAG 2.2 AA and by good practice, one line each.
const axeRun = `axe.run(document, {runOnly: {type: "tag", values:
	["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}).then(result =>
	result.violations.flatMap(v => v.nodes.map(n => v.id + ": " + v.help + ": " + n.html)))`

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
	run(t, "load axe-core", chromedp.Evaluate[any](t.axe+";0"))
	for _, scheme := range []string{"light", "dark"} {
		call(t, "set the colour scheme", emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		for _, violation := range run(t, "run axe-core", chromedp.Evaluate[[]string](axeRun, chromedp.EvalAwaitPromise)) {
			list = append(list, scheme+" colours: "+violation)
		}
	}
	t.do("make the window narrow", chromedp.EmulateViewport(narrow, 640))
	if wide := run(t, "measure the page", chromedp.Evaluate[int]("document.documentElement.scrollWidth")); wide > narrow {
		list = append(list, fmt.Sprintf("%d pixels wide on a screen of %d", wide, narrow))
	}
	t.do("make the window wide", chromedp.EmulateViewport(t.width, 800))
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
