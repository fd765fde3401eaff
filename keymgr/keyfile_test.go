package keymgr_test

import (
	"crypto/rsa"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"spar/keymgr"
)

func TestLoadOrCreateKey(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "keys")
	path := filepath.Join(folder, "portal.pem")
	if _, err := keymgr.LoadKey(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing key: got %v, want fs.ErrNotExist", err)
	}
	key, created, err := keymgr.LoadOrCreateKey(path)
	must(t, err)
	if !created || key.Public().(*rsa.PublicKey).N.BitLen() != 2048 {
		t.Errorf("created %t, %v", created, key.Public())
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("key file has mode %o", info.Mode().Perm())
	}
	if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("key folder: %v, %v", info.Mode(), err)
	}
	again, created, err := keymgr.LoadOrCreateKey(path)
	must(t, err)
	if created || !again.(*rsa.PrivateKey).Equal(key) {
		t.Error("the second start made another key")
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
		t.Errorf("files in the key folder: %v, %v", files, err)
	}
}

func TestKeyIsCreatedOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portal.pem")
	keys := make([]*rsa.PrivateKey, 4)
	var wait sync.WaitGroup
	for i := range keys {
		wait.Go(func() {
			key, _, err := keymgr.LoadOrCreateKey(path)
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = key.(*rsa.PrivateKey)
		})
	}
	wait.Wait()
	for _, key := range keys[1:] {
		if !key.Equal(keys[0]) {
			t.Fatal("two processes hold different keys")
		}
	}
}

func TestLoadKeyRefusesReadableByOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portal.pem")
	_, _, err := keymgr.LoadOrCreateKey(path)
	must(t, err)
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o644, 0o660, 0o620, 0o601} {
		must(t, os.Chmod(path, mode))
		_, err := keymgr.LoadKey(path)
		if err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: got %v", mode, err)
		}
		if _, created, err := keymgr.LoadOrCreateKey(path); err == nil || created {
			t.Errorf("mode %o: created %t, %v", mode, created, err)
		}
	}
	must(t, os.Chmod(path, 0o400))
	if _, err := keymgr.LoadKey(path); err != nil {
		t.Errorf("mode 400: %v", err)
	}
}

func TestLoadKeyRefusesDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "portal.pem")
	_, _, err := keymgr.LoadOrCreateKey(path)
	must(t, err)
	content, err := os.ReadFile(path)
	must(t, err)
	for name, damaged := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "half": content[:len(content)/2],
		"other block": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
	} {
		must(t, os.WriteFile(path, damaged, 0o600))
		if _, created, err := keymgr.LoadOrCreateKey(path); err == nil || created {
			t.Errorf("%s: created %t, %v", name, created, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != string(damaged) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}
