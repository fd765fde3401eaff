package mapper_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jmoiron/sqlx"

	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

// Calls that share round trips to the database get the answers they would have got alone, and of those with one message
// id exactly one is answered.
func TestResolveByManyAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		service := mappertest.Service(t, db)
		const people, callers = 40, 200
		var links []mapper.Item
		for n := range people {
			links = append(links, mappertest.Item(fmt.Sprint(n), benchID(n), fmt.Sprintf("account:%08d@001.ALPHA.bank_acc", n)))
		}
		if _, err := service.Link(t.Context(), mappertest.By("BANK"), links); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		var answered, refused, cancelled atomic.Int64
		start := make(chan struct{})
		for n := range callers {
			group.Go(func() {
				<-start
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				by := mappertest.By("PAYER")
				item := mappertest.Details("1", benchID(n%people), "")
				switch n % 4 {
				case 0: // one message, sent by many
					by.MessageID = "the same"
				case 1: // nobody of that ID
					item = mappertest.Details("1", benchID(people+n), "")
				case 2: // without details
					item = mappertest.Item("1", benchID(n%people), "")
				case 3:
					if n%8 == 3 {
						cancel()
					}
				}
				results, err := service.Resolve(ctx, by, []mapper.Item{item})
				switch {
				case n%8 == 3 && errors.Is(err, context.Canceled):
					cancelled.Add(1)
				case n%4 == 0 && errors.Is(err, mapper.ErrDuplicateMessage):
					refused.Add(1)
				case err != nil:
					t.Error(err)
				case n%4 == 1:
					if results[0].Code != mapper.IDNotFound {
						t.Errorf("nobody: %+v", results[0])
					}
				case n%4 == 2:
					if r := results[0]; r.Code != mapper.IDActive || r.FA != "" || r.Provider != nil {
						t.Errorf("without details: %+v", r)
					}
				default:
					if r := results[0]; r.Code != mapper.IDActive || r.FA != fmt.Sprintf("account:%08d@001.ALPHA.bank_acc", n%people) {
						t.Errorf("details: %+v", r)
					}
					if n%4 == 0 {
						answered.Add(1)
					}
				}
			})
		}
		close(start)
		group.Wait()
		if answered.Load() != 1 || refused.Load() != callers/4-1 {
			t.Errorf("one message was answered %d times and refused %d times, want 1 and %d", answered.Load(), refused.Load(), callers/4-1)
		}
	})
}
