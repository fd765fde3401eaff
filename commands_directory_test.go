package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDirectoryCommands(t *testing.T) {
	eachRegistry(t, func(t *testing.T, r *registry) {
		dir := t.TempDir()
		file := func(name, text string) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		providers := file("providers.csv", "\ufeffcode;name;kind\nALPHA;Alpha Bank;bank\nGAMMA;Gamma Money;mobile_wallet\n")
		branches := file("ifsc.csv", "BANK,IFSC,BRANCH,CENTRE,DISTRICT,STATE,ADDRESS,CITY\nState Bank,SBIN0000001,Main,Kolkata,Kolkata,West Bengal,1 Strand Road,Kolkata\n")
		wrong := file("wrong.csv", "bank_code,branch_code,name\nALPHA,001,Main\nALPHA,0 2,Port\n")
		again := file("again.csv", "bank_code,branch_code,name\nALPHA,001,Main\n")

		r.spar("directory", "import", providers, "--dry-run").succeeds("providers would be imported: 2 new, 0 changed, 0 closed, 0 as they were\n")
		if out := r.spar("directory", "export", "--providers").succeeds("\ufeffcode,name,kind,strategy,active\n").stdout; strings.Contains(out, "ALPHA") {
			t.Error("a dry run changed the directory")
		}
		r.spar("directory", "import", providers).succeeds("providers imported: 2 new, 0 changed, 0 closed, 0 as they were\n")
		r.spar("directory", "import", branches).succeeds("branches imported: 1 new, 0 changed, 0 closed, 0 as they were; new banks: 1\n")
		r.spar("directory", "import", wrong).ends(1, "spar: line 3: Branch code can have letters from A to Z", "1 of 2 lines are wrong: nothing was changed")
		r.spar("directory", "import", wrong, "--skip-wrong").succeeds("branches imported: 1 new, 0 changed, 0 closed, 0 as they were; wrong lines left out: 1\n")
		r.spar("directory", "import", again, "--complete").succeeds("branches imported: 0 new, 0 changed, 1 closed, 1 as they were\n")
		export := r.spar("directory", "export", "--branches").succeeds("ALPHA,Alpha Bank,001,Main,,,,true\n", "SBIN,State Bank,SBIN0000001,Main,Kolkata,West Bengal,1 Strand Road,false\n")
		code, stdout, stderr := command(t, export.stdout, r.environ, "directory", "import", "-", "--complete")
		if code != 0 || stdout != "branches imported: 0 new, 0 changed, 0 closed, 2 as they were\n" {
			t.Errorf("what was exported: status %d, %s%s", code, stdout, stderr)
		}
		r.spar("directory", "import", again, "--complete", "--skip-wrong").ends(2)
		r.spar("directory", "export").ends(2, "expected --providers or --branches")
		r.spar("directory", "export", "--providers", "--branches").ends(2)
		for _, text := range []string{"", "a,b\n", "\xff\xfec\x00"} {
			if r := r.spar("directory", "import", file("no-list.csv", text)); r.code != 1 || strings.Count(r.stderr, "\n") != 1 {
				t.Errorf("%q: status %d\n%s", text, r.code, r.stderr)
			}
		}
		r.spar("directory", "import", filepath.Join(dir, "nothing.csv")).ends(1, "nothing.csv")
		r.spar("audit", "list", "--action", "directory.import").succeeds("lines=1", "removed=1")
		r.spar("audit", "verify").succeeds("are in order")
	})
}
