// Package audittest gives tests an audit log. All logs of a process have one key, so that several may be opened on a
// database; nothing outside tests imports it.
package audittest

import (
	"sync"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	"github.com/tink-crypto/tink-go/v2/tink"

	"spar/internal/audit"
)

// By is an actor for what a test prepares.
var By = audit.Actor{Kind: audit.Command, ID: "test"}

var key = sync.OnceValues(func() (tink.MAC, error) {
	handle, err := keyset.NewHandle(mac.HMACSHA256Tag256KeyTemplate())
	if err != nil {
		return nil, err
	}
	return mac.New(handle)
})

// Key is the key of the process's logs.
func Key(tb testing.TB) tink.MAC {
	tb.Helper()
	k, err := key()
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// New opens the audit log of a database.
func New(tb testing.TB, db *sqlx.DB) *audit.Log {
	tb.Helper()
	l, err := audit.Open(tb.Context(), db, Key(tb), true, time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}
