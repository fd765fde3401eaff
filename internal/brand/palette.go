package brand

import (
	"fmt"
	"math"
	"regexp"

	"github.com/lucasb-eyer/go-colorful"
)

// The contrasts that WCAG 2.2 AA asks of text, and of what is not text but must be seen.
const (
	textContrast  = 4.5
	shapeContrast = 3
)

// Colours of app.css that the accent is put on or beside.
var (
	white      = mustHex("#ffffff")
	black      = mustHex("#000000")
	paper      = mustHex("#f8f5ef")
	darkPaper  = mustHex("#161819")
	darkPanel  = mustHex("#202325")
	ink        = mustHex("#1f2326")
	quiet      = mustHex("#565149")
	darkInk    = mustHex("#eeece8")
	darkQuiet  = mustHex("#b8b2a8")
	hexPattern = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
)

func mustHex(text string) colorful.Color {
	c, err := colorful.Hex(text)
	if err != nil {
		panic(err) // a constant of ours
	}
	return c
}

// scheme is what one accent colour becomes, on light or on dark pages.
type scheme struct {
	accent   colorful.Color // texts, links, icons and lines; readable on pages, panels and soft grounds
	onAccent colorful.Color
	strong   colorful.Color // the accent, a step further from the page
	soft     colorful.Color // a ground that only hints at the accent
	fill     colorful.Color // buttons: as the host wants them
	onFill   colorful.Color
	hover    colorful.Color // a button under the pointer
	edge     colorful.Color // around buttons, so that they are seen on the page
}

type palette struct {
	head, onHead colorful.Color // the head of every page, the same in both schemes
	light, dark  scheme
}

// newPalette derives every colour from the host's one. It keeps the hue, and changes the lightness until what is written
// in or on a colour can be read. It refuses a colour of which nothing would be left.
func newPalette(accent string) (palette, error) {
	if !hexPattern.MatchString(accent) {
		return palette{}, fmt.Errorf("expected a colour with six hexadecimal digits, such as #0f5f57")
	}
	host := mustHex(accent)
	p := palette{head: host, onHead: textOn(host)}

	soft := shade(host, .945, .022)
	readable, changed := adjust(host, -1, paper, white, soft)
	if changed > furthest {
		return palette{}, fmt.Errorf("%s is too light: links and lines in it could not be seen on a white page. Choose a darker colour of the same kind, such as %s", accent, readable.Hex())
	}
	p.light = scheme{accent: readable, onAccent: textOn(readable), strong: shift(readable, -.08), soft: soft, fill: host, onFill: textOn(host)}
	p.light.hover = hovered(p.light.fill, p.light.onFill)
	p.light.edge = edgeOf(p.light.fill, readable, paper, white, soft)

	darkSoft := shade(host, .29, .035)
	lit, _ := adjust(host, 1, darkPaper, darkPanel, darkSoft)
	p.dark = scheme{accent: lit, onAccent: textOn(lit), strong: shift(lit, .08), soft: darkSoft, fill: lit, onFill: textOn(lit)}
	p.dark.hover = hovered(p.dark.fill, p.dark.onFill)
	p.dark.edge = lit
	return p, p.check()
}

// furthest is how much darker, in OKLCH, a colour may have to become: a yellow passes as ochre, a white as nothing.
const furthest = .42

// check is for a colour that no rule above thought of: better no start than a page that some cannot read.
func (p palette) check() error {
	for _, pair := range []struct {
		a, b colorful.Color
		want float64
	}{
		{p.onHead, p.head, textContrast},
		{p.light.accent, paper, textContrast}, {p.light.accent, white, textContrast}, {p.light.accent, p.light.soft, textContrast},
		{p.light.onAccent, p.light.accent, textContrast}, {p.light.onFill, p.light.fill, textContrast}, {p.light.onFill, p.light.hover, textContrast},
		{ink, p.light.soft, textContrast}, {quiet, p.light.soft, textContrast}, {p.light.edge, paper, shapeContrast}, {p.light.edge, white, shapeContrast},
		{p.dark.accent, darkPaper, textContrast}, {p.dark.accent, darkPanel, textContrast}, {p.dark.accent, p.dark.soft, textContrast},
		{p.dark.onAccent, p.dark.accent, textContrast}, {p.dark.onFill, p.dark.fill, textContrast}, {p.dark.onFill, p.dark.hover, textContrast},
		{darkInk, p.dark.soft, textContrast}, {darkQuiet, p.dark.soft, textContrast},
	} {
		if got := contrast(pair.a, pair.b); got < pair.want {
			return fmt.Errorf("no readable colours can be made of it: %s on %s has a contrast of %.1f, where %.1f is needed. Choose a darker colour",
				pair.a.Hex(), pair.b.Hex(), got, pair.want)
		}
	}
	return nil
}

// contrast of two colours, 1 to 21, by WCAG 2.
func contrast(a, b colorful.Color) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

func luminance(c colorful.Color) float64 {
	r, g, b := round(c).LinearRgb()
	return .2126*r + .7152*g + .0722*b
}

// round is the colour as a browser is told it.
func round(c colorful.Color) colorful.Color { return mustHex(c.Clamped().Hex()) }

// textOn is the colour of text on a ground: white where it can be read, for it looks calmer; else the darker of ours
// that can.
func textOn(ground colorful.Color) colorful.Color {
	for _, c := range []colorful.Color{white, ink} {
		if contrast(c, ground) >= textContrast {
			return c
		}
	}
	return black
}

// shade is a colour of the same hue with a lightness, and with at most so much chroma.
func shade(c colorful.Color, lightness, chroma float64) colorful.Color {
	_, has, hue := c.OkLch()
	return inGamut(lightness, min(has, chroma), hue)
}

// shift makes a colour lighter or darker.
func shift(c colorful.Color, by float64) colorful.Color {
	l, chroma, hue := c.OkLch()
	return inGamut(math.Max(0, math.Min(1, l+by)), chroma, hue)
}

// inGamut lowers the chroma until a screen can show the colour: that keeps hue and lightness.
func inGamut(lightness, chroma, hue float64) colorful.Color {
	for ; chroma > .002; chroma -= .002 {
		if c := colorful.OkLch(lightness, chroma, hue); c.IsValid() {
			return round(c)
		}
	}
	return round(colorful.OkLch(lightness, 0, hue))
}

// adjust makes a colour darker (-1) or lighter (1) until it can be read on all grounds, and says by how much.
func adjust(c colorful.Color, direction float64, grounds ...colorful.Color) (adjusted colorful.Color, by float64) {
	const step = .005
	for by = 0; by <= 1; by += step {
		adjusted = c
		if by > 0 {
			adjusted = shift(c, direction*by)
		}
		readable := true
		for _, ground := range grounds {
			readable = readable && contrast(adjusted, ground) >= textContrast
		}
		if readable {
			return adjusted, by
		}
	}
	return adjusted, by
}

// hovered is a button under the pointer: away from the colour of its text, so that this stays readable.
func hovered(fill, text colorful.Color) colorful.Color {
	if luminance(text) > luminance(fill) {
		return shift(fill, -.07)
	}
	return shift(fill, .07)
}

// edgeOf is the button's own colour where that is seen on all grounds, else one that is.
func edgeOf(fill, readable colorful.Color, grounds ...colorful.Color) colorful.Color {
	for _, ground := range grounds {
		if contrast(fill, ground) < shapeContrast {
			return readable
		}
	}
	return fill
}

// stylesheet sets what app.css leaves to the host. Paper is printed in black.
func (p palette) stylesheet() string {
	return "@media screen{:root{--masthead:" + p.head.Hex() + ";--on-masthead:" + p.onHead.Hex() + ";" + p.light.variables() + "}}\n" +
		"@media screen and (prefers-color-scheme:dark){:root{" + p.dark.variables() + "}}\n"
}

func (s scheme) variables() string {
	return fmt.Sprintf("--accent:%s;--on-accent:%s;--accent-dark:%s;--accent-soft:%s;--fill:%s;--on-fill:%s;--fill-hover:%s;--fill-edge:%s",
		s.accent.Hex(), s.onAccent.Hex(), s.strong.Hex(), s.soft.Hex(), s.fill.Hex(), s.onFill.Hex(), s.hover.Hex(), s.edge.Hex())
}
