package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeysRotateMakesANewKeyBesideTheOld(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	for want := 1; want <= 2; want++ {
		code, stdout, stderr := command(t, "", []string{"SPAR_KEYS__DIR=" + dir, "SPAR_CONFIG=" + os.DevNull}, "keys", "rotate")
		if code != 0 || !strings.Contains(stdout, "signing-") {
			t.Fatalf("exit %d: %s%s", code, stdout, stderr)
		}
		files, err := filepath.Glob(filepath.Join(dir, "signing-*.pem"))
		if err != nil || len(files) != want {
			t.Errorf("%d rotations left %v, %v", want, files, err)
		}
	}
}
