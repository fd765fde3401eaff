package migrations

import (
	"io"
	"io/fs"
	"strings"
	"testing"
)

// What is marked for one engine is left out for the other, and everything else is untouched.
func TestStatementsOfOneEngine(t *testing.T) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil || len(names) < 5 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range names {
		whole, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		marked := strings.Count(string(whole), onlyMark)
		for _, engine := range []string{"sqlite", "postgres"} {
			file, err := engineFiles{files, engine}.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), onlyMark) {
				t.Errorf("%s for %s still has marks", name, engine)
			}
			if marked == 0 && string(text) != string(whole) {
				t.Errorf("%s for %s was changed", name, engine)
			}
			if strings.Contains(string(text), "RAISE(ABORT") && engine == "postgres" || strings.Contains(string(text), "plpgsql") && engine == "sqlite" {
				t.Errorf("%s for %s has statements of the other engine", name, engine)
			}
		}
	}
	for _, wrong := range []string{
		statementBegin + "-- only mysql\nSELECT 1;\n" + statementEnd,
		statementBegin + "-- only sqlite\nSELECT 1;\n",
	} {
		if _, err := forEngine([]byte(wrong), "sqlite"); err == nil {
			t.Errorf("accepted %q", wrong)
		}
	}
}
