package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spar/migrations/dbtest"
)

func TestKeysRotateMakesANewKeyBesideTheOld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	environ := []string{"SPAR_KEYS__DIR=" + dir, "SPAR_CONFIG=" + os.DevNull, "SPAR_DATABASE__URL=" + dbtest.SQLiteURL(t)}
	if code, _, stderr := command(t, "", environ, "migrate", "up"); code != 0 {
		t.Fatal(stderr)
	}
	for want := 1; want <= 2; want++ {
		code, stdout, stderr := command(t, "", environ, "keys", "rotate")
		if code != 0 || !strings.Contains(stdout, "signing-") {
			t.Fatalf("exit %d: %s%s", code, stdout, stderr)
		}
		files, err := filepath.Glob(filepath.Join(dir, "signing-*.pem"))
		if err != nil || len(files) != want {
			t.Errorf("%d rotations left %v, %v", want, files, err)
		}
	}
}
