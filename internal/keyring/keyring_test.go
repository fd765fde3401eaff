package keyring_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/keyring"
	"spar/migrations/dbtest"
)

func TestOpenCreatesOnceAndReopens(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		dir := filepath.Join(t.TempDir(), "keys")
		first, err := keyring.Open(t.Context(), db, dir, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(first.Created) != 4 {
			t.Errorf("first start created %v, want four files", first.Created)
		}
		for _, path := range first.Created {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: mode %v, error %v; want 0600", path, info.Mode(), err)
			}
		}
		sealed, err := first.Records.Encrypt([]byte("record"), []byte("context"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := keyring.Open(t.Context(), db, dir, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Created) != 0 {
			t.Errorf("second start created %v", again.Created)
		}
		if text, err := again.Records.Decrypt(sealed, []byte("context")); err != nil || string(text) != "record" {
			t.Errorf("second start opened %q, %v", text, err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"a missing key": func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "lookup.keyset.json")))
		},
		"a lost directory": func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) },
		"a key of another installation": func(t *testing.T, dir string) {
			other := filepath.Join(t.TempDir(), "other")
			_, err := keyring.Open(t.Context(), dbtest.SQLite(t), other, time.Now())
			must(t, err)
			must(t, os.Rename(filepath.Join(other, "records.keyset.json"), filepath.Join(dir, "records.keyset.json")))
		},
		"a key that others may read": func(t *testing.T, dir string) {
			must(t, os.Chmod(filepath.Join(dir, "records.keyset.json"), 0o644))
		},
		"a damaged key": func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "sessions.keyset.json"), []byte("{"), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, dir := dbtest.SQLite(t), filepath.Join(t.TempDir(), "keys")
			_, err := keyring.Open(t.Context(), db, dir, time.Now())
			must(t, err)
			spoil(t, dir)
			if _, err := keyring.Open(t.Context(), db, dir, time.Now()); err == nil {
				t.Error("Open succeeded")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
