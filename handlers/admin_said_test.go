package handlers_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"spar/keymgr"
	"spar/web/i18n"
)

var verb = regexp.MustCompile(`%[.0-9]*([a-z])`)

// saidTexts finds every text that package keymgr has for people, by its code, as the catalogue should have it.
func saidTexts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"../keymgr/*.go", "../keymgr/mosip/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			parsed, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || !isSay(call.Fun) {
					return true
				}
				code, format := literal(call.Args[0]), literal(call.Args[1])
				if code == "" || format == "" {
					t.Errorf("%s: Say wants literals for its code and format", file)
				}
				value := 'a' - 1
				text := verb.ReplaceAllStringFunc(format, func(verb string) string {
					value++
					if strings.HasSuffix(verb, "q") {
						return "“{{." + string(value) + "}}”"
					}
					return "{{." + string(value) + "}}"
				})
				if other, taken := texts[code]; taken && other != text {
					t.Errorf("%s: the code %s stands for two texts: %q, %q", file, code, other, text)
				}
				texts[code] = text
				return true
			})
		}
	}
	return texts
}

func isSay(called ast.Expr) bool {
	switch f := called.(type) {
	case *ast.Ident:
		return f.Name == "Say"
	case *ast.SelectorExpr:
		return f.Sel.Name == "Say"
	}
	return false
}

func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok {
		text, _ := strconv.Unquote(l.Value)
		return text
	}
	return ""
}

// What commands print in English and what pages say by the catalogue are the same texts, and none is left in the catalogue
// that nobody says.
func TestWhatKeyManagementSaysIsInTheCatalogue(t *testing.T) {
	want := map[string]string{}
	for code, text := range saidTexts(t) {
		want["admin.said."+code] = text
	}
	for _, hint := range keymgr.Hints() {
		want["admin.hint."+hint.Code] = hint.Text
	}
	content, err := os.ReadFile("../web/i18n/locales/" + i18n.Default + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var english map[string]any
	if err := json.Unmarshal(content, &english); err != nil {
		t.Fatal(err)
	}
	for key, text := range want {
		if english[key] != text {
			t.Errorf("the catalogue has %s as %q, want %q", key, english[key], text)
		}
	}
	for key := range english {
		if _, said := want[key]; !said && (strings.HasPrefix(key, "admin.said.") || strings.HasPrefix(key, "admin.hint.")) {
			t.Errorf("the catalogue has %s, which nobody says", key)
		}
	}
}
