package i18n_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"spar/web/i18n"
)

var literal = regexp.MustCompile(`"([a-z_]+(?:\.[a-z0-9_]+)*\.?)"`)

// Every key in templates and handlers is in the catalogue, and every key of the catalogue is used. A literal may also be
// the beginning of keys, up to a dot; what follows is a value, such as the kind of account.
func TestKeysAreUsedAndExist(t *testing.T) {
	english := readCatalogue(t, "locales/"+i18n.Default+".json")
	families := map[string]bool{}
	for key := range english {
		family, _, _ := strings.Cut(key, ".")
		families[family] = true
	}
	used := map[string]bool{}
	for _, folder := range []string{"../../templates", "../../handlers", "../../internal/demo", "../../web", "../../internal/notices"} {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_templ.go") ||
				(filepath.Ext(path) != ".go" && filepath.Ext(path) != ".templ") {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, found := range literal.FindAllStringSubmatch(string(source), -1) {
				key := found[1]
				if family, _, dotted := strings.Cut(key, "."); !dotted || !families[family] {
					continue
				}
				matched := false
				for known := range english {
					if known == key || strings.HasPrefix(known, strings.TrimSuffix(key, ".")+".") {
						used[known], matched = true, true
					}
				}
				if !matched {
					t.Errorf("%s uses %q, which is not in the catalogue", path, key)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for key := range english {
		if !used[key] {
			t.Errorf("%s is in the catalogue but not used", key)
		}
	}
}
