// Package mappertest makes mappers for tests and holds the contract that every implementation of mapper.Mapper keeps.
package mappertest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit/audittest"
	"spar/internal/keyring"
	"spar/mapper"
)

// Service makes a mapper on db with keys of its own and the real clock. The changes, if any, are made to its
// configuration before.
func Service(tb testing.TB, db *sqlx.DB, changes ...func(*mapper.Config)) *mapper.Service {
	tb.Helper()
	ring, err := keyring.Open(tb.Context(), db, tb.TempDir(), time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	config := mapper.Config{
		DB: db, Sealer: mapper.Sealer{Records: ring.Records, Lookup: ring.Lookup},
		Strategies: mapper.NewStrategies(db, time.Now), Directory: mapper.NewDirectory(db, time.Now),
		Trail: audittest.New(tb, db), MessageWindow: 5 * time.Minute, Now: time.Now,
	}
	for _, change := range changes {
		change(&config)
	}
	service, err := mapper.NewService(config)
	if err != nil {
		tb.Fatal(err)
	}
	return service
}

var counter atomic.Int64

// By makes an actor with a message id that was never used.
func By(partner string) mapper.Actor {
	n := counter.Add(1)
	return mapper.Actor{Partner: partner, MessageID: fmt.Sprintf("message-%d", n), TransactionID: fmt.Sprintf("transaction-%d", n)}
}

// Person makes the person acting through the portal, with a message id that was never used.
func Person() mapper.Actor {
	by := By("SPAR-SELF-SERVICE")
	by.ByBeneficiary = true
	return by
}

// Item makes an item with what every item needs; fa may be empty.
func Item(referenceID, id, fa string) mapper.Item {
	item := mapper.Item{
		ReferenceID: mapper.String(referenceID),
		Timestamp:   mapper.String("2026-03-06T09:32:48Z"),
		ID:          mapper.String(id),
	}
	if fa != "" {
		item.FA = mapper.String(fa)
	}
	return item
}

// Details makes a resolve item that asks for details.
func Details(referenceID, id, fa string) mapper.Item {
	item := Item(referenceID, id, fa)
	if id == "" {
		item.ID = mapper.Text{}
	}
	item.Scope = mapper.String("details")
	return item
}
