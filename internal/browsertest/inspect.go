package browsertest

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Page is what can be seen of a page without knowing what it is about.
type Page struct {
	Lang, Dir, Title string
	Headings         []string // of the first level
	Width            int64    // that it needs, in CSS pixels
	Bytes            int      // of the document, before compression
	Loaded           int      // bytes received for the page and what it loads, less what the browser had
	Texts            []string // whatever is read or read out, piece by piece, but what names its own language
	Unfocused        bool     // nothing but the page itself has the keyboard's focus
}

const inspect = `(() => {
	const texts = [document.title];
	const foreign = element => element.closest("[lang]") !== document.documentElement;
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let node = walker.nextNode(); node; node = walker.nextNode()) {
		if (!foreign(node.parentElement) && !node.parentElement.closest("script, style, code, .code, bdi")) {
			texts.push(node.data);
		}
	}
	const spoken = ["aria-label", "placeholder", "alt", "title"];
	for (const element of document.querySelectorAll("[aria-label], [placeholder], [alt], [title]")) {
		texts.push(...spoken.map(name => element.getAttribute(name) || "").filter(text => text && !foreign(element)));
	}
	for (const element of document.querySelectorAll("[data-wait], #session")) {
		texts.push(...Object.values(element.dataset).filter(text => text.includes(" ")));
	}
	const [load] = performance.getEntriesByType("navigation");
	return {
		Lang: document.documentElement.lang, Dir: document.documentElement.dir, Title: document.title,
		Headings: [...document.querySelectorAll("h1")].map(h => h.textContent.trim()),
		Width: document.documentElement.scrollWidth,
		Bytes: load.decodedBodySize,
		Loaded: performance.getEntriesByType("resource").reduce((sum, r) => sum + r.transferSize, load.transferSize),
		Texts: texts.map(text => text.replace(/\s+/g, " ").trim()).filter(text => text),
		Unfocused: !document.activeElement || document.activeElement === document.body,
	};
})()`

// Inspect looks at the page as it is.
func (t *Tab) Inspect() Page {
	t.tb.Helper()
	return run(t, "look at the page", chromedp.Evaluate[Page](inspect))
}

// In makes the steps that follow part of a subtest: one that fails ends that, and not the test that opened the tab.
func (t *Tab) In(tb testing.TB) {
	outer := t.tb
	t.tb = tb
	tb.Cleanup(func() { t.tb = outer })
}

// Prefer makes the browser one of somebody who prefers a language.
func (t *Tab) Prefer(language string) {
	t.tb.Helper()
	call(t, "choose a language", network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{
		Headers: network.Headers{"Accept-Language": language},
	})
}

// Scheme sets the colours that the person prefers: light or dark.
func (t *Tab) Scheme(name string) {
	t.tb.Helper()
	call(t, "set the colour scheme", emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
}

// Width sets the width of the window, in CSS pixels.
func (t *Tab) Width(pixels int64) {
	t.tb.Helper()
	t.width = pixels
	t.do("set the width of the window", chromedp.EmulateViewport(pixels, 800))
}

// Forget removes the browser's cookies and its cache: it is somebody else's.
func (t *Tab) Forget() {
	t.tb.Helper()
	call(t, "forget the cookies", network.ClearBrowserCookies, cdp.Empty{})
	call(t, "forget the cache", network.ClearBrowserCache, cdp.Empty{})
}

// Attribute is one of the first thing that CSS selects.
func (t *Tab) Attribute(selector, name string) string {
	t.tb.Helper()
	t.Shows(selector)
	return run(t, "read "+name+" of "+selector, chromedp.Evaluate[string](fmt.Sprintf("document.querySelector(%q).getAttribute(%q) || ''", selector, name)))
}

// Finds returns what axe-core has against the page as it is shown: by the rules of WCAG 2.2 AA and of good practice, or by
// those only that the colours can break.
func (t *Tab) Finds(coloursOnly bool) []string {
	t.tb.Helper()
	if coloursOnly {
		return t.axeFinds(ofColour, "dark colours")
	}
	return t.axeFinds(allRules, "light colours")
}

// focus says what is wrong with where the focus is: on nothing, not to be seen, or off the screen. What takes the focus
// only to be read, such as a heading, need not be marked.
const focus = `(() => {
	const element = document.activeElement;
	if (!element || element === document.body) {
		return "nothing has the focus";
	}
	const box = element.getBoundingClientRect();
	if (box.bottom <= 0 || box.top >= innerHeight || box.right <= 0 || box.left >= innerWidth) {
		return "the focus is off the screen";
	}
	const marked = shown => {
		const style = getComputedStyle(shown);
		return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 || style.boxShadow !== "none";
	};
	if (element.tabIndex < 0 || [element, ...element.labels || []].some(marked)) {
		const at = (x, y) => document.elementFromPoint(Math.min(Math.max(x, 0), innerWidth - 1), Math.min(Math.max(y, 0), innerHeight - 1));
		const top = at(box.left + box.width / 2, box.top + Math.min(box.height, innerHeight) / 2);
		const own = [element, ...element.labels || []];
		return own.some(one => one.contains(top) || top && top.contains(one)) ? "" : "something covers the focus";
	}
	return "the focus is not marked";
})()`

// FocusSeen checks that something has the focus, that it is on the screen, and that it looks so.
func (t *Tab) FocusSeen() {
	t.tb.Helper()
	if problem := run(t, "look for the focus", chromedp.Evaluate[string](focus)); problem != "" {
		t.fail("%s: %s", problem, t.focused())
	}
}

func (t *Tab) focused() string {
	t.tb.Helper()
	return run(t, "find the focus", chromedp.Evaluate[string]("document.activeElement ? document.activeElement.outerHTML.slice(0, 200) : ''"))
}

// Walk presses the tab key, or shift and tab, until what CSS selects has the focus, which can be seen all the way.
func (t *Tab) Walk(selector string, back bool) {
	t.tb.Helper()
	var options []chromedp.KeyOption
	if back {
		options = append(options, chromedp.KeyModifiers(chromedp.ModifierShift))
	}
	for range 80 {
		t.do("press tab", chromedp.KeyEvent(kb.Tab, options...))
		if t.has(selector) {
			t.FocusSeen()
			return
		}
		if !t.has("body") { // at the end of the page the focus leaves it for the browser's own buttons
			t.FocusSeen()
		}
	}
	t.fail("the tab key does not lead to %s", selector)
}

// Enter presses the enter key as a keyboard does: what it leads to does not get half of it, as with [Tab.Keys].
func (t *Tab) Enter() {
	t.tb.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		params := input.DispatchKeyEventParams{Type: kind, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13, NativeVirtualKeyCode: 13}
		if kind == input.DispatchKeyEventTypeKeyDown {
			params.Text, params.UnmodifiedText = "\r", "\r"
		}
		call(t, "press enter", input.DispatchKeyEvent, params)
	}
}

func (t *Tab) has(selector string) bool {
	t.tb.Helper()
	return run(t, "find the focus", chromedp.Evaluate[bool](fmt.Sprintf("document.activeElement.matches(%q)", selector)))
}
