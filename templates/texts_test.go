package templates_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/a-h/templ/parser/v2"
	"github.com/a-h/templ/parser/v2/visitor"
)

// spoken are the attributes that people see or hear.
var spoken = map[string]bool{
	"alt": true, "aria-description": true, "aria-label": true, "aria-placeholder": true, "aria-roledescription": true,
	"aria-valuetext": true, "label": true, "placeholder": true, "summary": true, "title": true,
}

// goText is a string of Go with a letter in it, all there is of an expression.
var goText = regexp.MustCompile("^\\s*[\"`].*\\pL.*[\"`]\\s*$")

// Templates hold no text of their own: every word comes from the catalogue, by i18n.T or in the view.
func TestTemplatesHoldNoText(t *testing.T) {
	files, err := filepath.Glob("*.templ")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d templates, %v", len(files), err)
	}
	files = append(files, "../internal/demo/pages.templ")
	for _, file := range files {
		template, err := parser.Parse(file)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		v := visitor.New()
		v.Text = func(n *parser.Text) error {
			if strings.Trim(n.Value, " ·\n\t") != "" { // languages differ in their signs too
				t.Errorf("%s:%d: the text %q", file, n.Range.From.Line+1, n.Value)
			}
			return nil
		}
		v.StringExpression = func(n *parser.StringExpression) error {
			if goText.MatchString(n.Expression.Value) {
				t.Errorf("%s:%d: the text %s", file, n.Expression.Range.From.Line+1, n.Expression.Value)
			}
			return nil
		}
		v.ConstantAttribute = func(n *parser.ConstantAttribute) error {
			if spoken[n.Key.String()] && strings.ContainsFunc(n.Value, unicode.IsLetter) {
				t.Errorf("%s: the attribute %s", file, n)
			}
			return nil
		}
		v.ExpressionAttribute = func(n *parser.ExpressionAttribute) error {
			if spoken[n.Key.String()] && goText.MatchString(n.Expression.Value) {
				t.Errorf("%s: the attribute %s=%s", file, n.Key, n.Expression.Value)
			}
			return nil
		}
		if err := template.Visit(v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
}
