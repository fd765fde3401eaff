package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"spar/internal/demo"
	"spar/internal/keyring"
	"spar/keymgr"
	"spar/migrations/dbtest"
)

// These tests keep the documentation true: whoever changes a name finds out here where it is written down.

func readText(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func documents(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("docs/*.md")
	if err != nil || len(list) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	return append(list, "README.md")
}

// sameSet compares what the code has with what a document says.
func sameSet(t *testing.T, document, what string, code, written []string) {
	t.Helper()
	for _, name := range code {
		if !slices.Contains(written, name) {
			t.Errorf("%s does not say anything about the %s %s", document, what, name)
		}
	}
	for _, name := range written {
		if !slices.Contains(code, name) {
			t.Errorf("%s speaks of the %s %s, which does not exist", document, what, name)
		}
	}
}

// matches returns the first group of every match, once each.
func matches(pattern, text string) []string {
	found := map[string]bool{}
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found[match[1]] = true
	}
	return slices.Sorted(maps.Keys(found))
}

func configKeys(t reflect.Type, prefix string) (keys []string) {
	for field := range t.Fields() {
		key := join(prefix, field.Tag.Get("koanf"))
		kind := field.Type
		if kind.Kind() == reflect.Slice && kind.Elem().Kind() == reflect.Struct {
			keys, kind, key = append(keys, key), kind.Elem(), join(key, "0")
		}
		if kind.Kind() == reflect.Struct {
			keys = append(keys, configKeys(kind, key)...)
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

func TestEveryConfigurationKeyIsDocumented(t *testing.T) {
	operations := readText(t, "docs/operations.md")
	_, table, _ := strings.Cut(operations, "## Configuration")
	table, _, _ = strings.Cut(table, "###")
	var written []string
	for _, row := range matches("(?m)^\\| ([^|]*`[a-z][^|]*) \\|", table) {
		written = append(written, matches("`([a-z0-9_.]+)`", row)...)
	}
	keys := configKeys(reflect.TypeFor[Config](), "")
	sameSet(t, "docs/operations.md", "configuration key", keys, written)
	example := readText(t, "deploy/spar.yaml")
	for _, key := range keys {
		if name := key[strings.LastIndex(key, ".")+1:]; !strings.Contains(example, name+":") {
			t.Errorf("deploy/spar.yaml does not show %s", key)
		}
	}
}

func TestEveryCodeIsDocumented(t *testing.T) {
	const code = `(?:rjct|succ|err)\.[a-z_]+(?:\.[a-z_]+)*`
	var used []string
	for _, path := range []string{"mapper/codes.go", "mapper/wire/header.go", "handlers/partner_errors.go"} {
		used = append(used, matches(`"(`+code+`)"`, readText(t, path))...)
	}
	sameSet(t, "docs/api.md", "code", used, matches("`("+code+")`", readText(t, "docs/api.md")))
}

func TestEveryReasonAndMetricIsDocumented(t *testing.T) {
	operations := readText(t, "docs/operations.md")
	_, runbook, _ := strings.Cut(operations, "## Runbook")
	reasons := []string{"signature_missing"}
	for _, reason := range keymgr.Reasons() {
		reasons = append(reasons, string(reason))
	}
	sameSet(t, "docs/operations.md", "reason", reasons, matches("(?m)^\\| `([a-z_]+)` \\|", runbook))
	files, err := filepath.Glob("handlers/metrics*.go")
	if err != nil {
		t.Fatal(err)
	}
	var metrics []string
	for _, file := range files {
		metrics = append(metrics, matches(`"(spar_[a-z_]+)"`, readText(t, file))...)
	}
	sameSet(t, "docs/operations.md", "metric", metrics, matches("(?m)^\\| `(spar_[a-z_]+)` \\|", operations))
}

// TestEveryKeyFileIsDocumented: each is in the table of what must be backed up.
func TestEveryKeyFileIsDocumented(t *testing.T) {
	ring, err := keyring.Open(t.Context(), dbtest.SQLite(t), t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	files := []string{portalKeyFile, "signing-….pem"}
	for _, path := range ring.Created {
		files = append(files, filepath.Base(path))
	}
	_, table, _ := strings.Cut(readText(t, "docs/operations.md"), "## Keys and backup")
	table, _, _ = strings.Cut(table, "## ")
	sameSet(t, "docs/operations.md", "key file", files, matches("(?m)^\\| `([^`]+)` \\|", table))
}

// TestLinksLeadSomewhere: relative links and pictures exist, with the heading they name.
func TestLinksLeadSomewhere(t *testing.T) {
	for _, document := range documents(t) {
		for _, target := range matches(`\]\(([^)\s]+)\)`, readText(t, document)) {
			if strings.Contains(target, "://") {
				continue
			}
			path, heading, _ := strings.Cut(target, "#")
			file := filepath.Join(filepath.Dir(document), path)
			if path == "" {
				file = document
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %s leads nowhere", document, target)
				continue
			}
			if heading != "" && !slices.Contains(headings(readText(t, file)), heading) {
				t.Errorf("%s: %s has no such heading", document, target)
			}
		}
	}
}

// headings are the anchors of a document, as they are commonly made.
func headings(text string) (anchors []string) {
	for _, heading := range matches(`(?m)^#+ (.+)$`, text) {
		anchor := strings.ReplaceAll(strings.ToLower(heading), " ", "-")
		anchors = append(anchors, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(anchor, ""))
	}
	return anchors
}

// TestNamedFilesExist: what looks like a file of the project is one; patterns match at least one.
func TestNamedFilesExist(t *testing.T) {
	for _, document := range documents(t) {
		text := readText(t, document)
		for _, name := range matches("`([A-Za-z0-9_*][A-Za-z0-9_*./-]*/[A-Za-z0-9_*.-]+\\.(?:go|templ|sql|json|yaml|sh|svg|css|js))`", text) {
			if found, err := filepath.Glob(name); err != nil || len(found) == 0 {
				t.Errorf("%s speaks of %s, which does not exist", document, name)
			}
		}
		for _, path := range matches(`(/(?:work|home|root)/[a-z]*)`, text) {
			t.Errorf("%s contains a path of somebody's machine: %s", document, path)
		}
	}
}

// packages returns what each package of ours imports, without its tests.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	imports := map[string]map[string]bool{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return fmt.Errorf("parse %s: %w", path, err)
		}
		name := filepath.ToSlash(filepath.Dir(path))
		if name == "." {
			name = "spar"
		}
		if imports[name] == nil {
			imports[name] = map[string]bool{}
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports[name][imported] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	list := map[string][]string{}
	for name, imported := range imports {
		list[name] = slices.Sorted(maps.Keys(imported))
	}
	return list
}

// TestWhoImportsWhom: the table of packages is exactly how the code is.
func TestWhoImportsWhom(t *testing.T) {
	design := readText(t, "docs/design.md")
	_, section, _ := strings.Cut(design, "## Packages")
	table, after, _ := strings.Cut(section, "Besides these")
	helpers, _, _ := strings.Cut(after, "\n\n")
	written := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9/]+)` \\|.*\\|([^|]*)\\|$").FindAllStringSubmatch(table, -1) {
		written[row[1]] = matches("`([a-z0-9/]+)`", row[2])
	}
	all := packages(t)
	for _, helper := range matches("`([a-z0-9/]+)`", helpers) {
		if all[helper] == nil {
			t.Errorf("docs/design.md speaks of the test helper %s, which does not exist", helper)
		}
		delete(all, helper)
	}
	sameSet(t, "docs/design.md", "package", slices.Sorted(maps.Keys(all)), slices.Sorted(maps.Keys(written)))
	for name, imported := range all {
		var ours []string
		for _, path := range imported {
			if path, found := strings.CutPrefix(path, "spar/"); found {
				ours = append(ours, path)
			}
		}
		if !slices.Equal(ours, written[name]) {
			t.Errorf("package %s imports %v; docs/design.md says %v", name, ours, written[name])
		}
	}
}

// TestEveryModuleIsDocumented: what any of our code or tests imports is explained.
func TestEveryModuleIsDocumented(t *testing.T) {
	modules := matches(`(?m)^\t(\S+) v`, readText(t, "go.mod"))
	slices.SortFunc(modules, func(a, b string) int { return len(b) - len(a) })
	written := matches("`([a-z.]+\\.[a-z]+/[A-Za-z0-9_./-]+)`", readText(t, "docs/dependencies.md"))
	used := map[string]bool{"honnef.co/go/tools": true} // a tool
	files, err := filepath.Glob("*.go")
	for _, pattern := range []string{"*/*.go", "*/*/*.go"} {
		more, globErr := filepath.Glob(pattern)
		files, err = append(files, more...), globErr
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if i := slices.IndexFunc(modules, func(m string) bool { return imported == m || strings.HasPrefix(imported, m+"/") }); i >= 0 {
				used[modules[i]] = true
			}
		}
	}
	sameSet(t, "docs/dependencies.md", "module", slices.Sorted(maps.Keys(used)), written)
}

// TestTheFirstCallIsTheOneOfTheDemonstration, which is tested there.
func TestTheFirstCallIsTheOneOfTheDemonstration(t *testing.T) {
	command := demo.ResolveCommand("http://127.0.0.1:8080", ".run/demo/partners/PARTNER-A/key.pem", "token:9903316482@nationalid")
	if !strings.Contains(readText(t, "README.md"), command) {
		t.Errorf("README.md does not contain this call:\n%s", command)
	}
}
