package notices_test

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"spar/internal/notices"
	"spar/migrations"
	"spar/migrations/dbtest"
)

const (
	childDatabase = "NOTICES_TEST_DATABASE"
	childKeys     = "NOTICES_TEST_KEYS"
)

// TestClaimAndHang is no test: it is the process that TestKilledBetweenClaimAndDelivery kills.
func TestClaimAndHang(t *testing.T) {
	if os.Getenv(childDatabase) == "" {
		t.Skip("runs only as another test's process")
	}
	db, err := migrations.Open(t.Context(), os.Getenv(childDatabase))
	if err != nil {
		t.Fatal(err)
	}
	hang := channel(notices.SMS, senderFunc(func(_ context.Context, m notices.Message) error {
		os.Stdout.WriteString("CLAIMED " + m.ID + "\n")
		select {}
	}))
	_ = newWorldWithKeys(t, db, os.Getenv(childKeys), hang).DeliverDue(t.Context(), hang)
}

// A process that dies with a notice in its hands loses nothing: once its claim has ended, somebody else sends it, under the
// same name.
func TestKilledBetweenClaimAndDelivery(t *testing.T) {
	run := func(url string) func(t *testing.T) {
		return func(t *testing.T) {
			db, err := migrations.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := migrations.Up(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			keys, sms := t.TempDir(), &gateway{}
			w := newWorldWithKeys(t, db, keys, channel(notices.SMS, sms))
			do(t, w.registry.Link, self(), item(bank, "+12025550101", "en"))

			child := exec.Command(os.Args[0], "-test.run", "^TestClaimAndHang$")
			child.Env = append(os.Environ(), childDatabase+"="+url, childKeys+"="+keys)
			out, err := child.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := child.Start(); err != nil {
				t.Fatal(err)
			}
			name := ""
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if found, ok := bytes.CutPrefix(lines.Bytes(), []byte("CLAIMED ")); ok {
					name = string(found)
					break
				}
			}
			_ = child.Process.Kill()
			_ = child.Wait()
			if name == "" {
				t.Fatal("the other process claimed nothing")
			}
			w.deliver(t)
			if sent := sms.take(); len(sent) != 0 {
				t.Errorf("sent %+v while the claim of another process holds", sent)
			}
			w.ahead = 5 * time.Minute
			w.deliver(t)
			if sent := sms.take(); len(sent) != 1 || sent[0].ID != name {
				t.Errorf("sent %+v, want the one named %s", sent, name)
			}
		}
	}
	t.Run("sqlite", run("sqlite://"+filepath.Join(t.TempDir(), "spar.db")))
	if dbtest.HasPostgreSQL(t) {
		t.Run("postgres", func(t *testing.T) { run(dbtest.PostgreSQLURL(t))(t) })
	}
}
