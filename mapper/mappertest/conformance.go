package mappertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"spar/mapper"
)

const (
	id1 = "token:100001@nationalid"
	id2 = "token:100002@nationalid"
	id3 = "token:100003@nationalid"
	fa1 = "account:12345678@001.ALPHA.bank_acc"
	fa2 = "account:87654321@002.BETA.bank_acc"
	fa3 = "mobile:+15550100123@GAMMA.mobile_wallet"
)

// Registry is all that the portal asks of a mapper, in the same process or elsewhere.
type Registry interface {
	mapper.Mapper
	History(ctx context.Context, id mapper.ID, limit int) ([]mapper.Change, error)
	Report(ctx context.Context, by mapper.Actor, item mapper.Item) (mapper.Result, error)
}

// Run proves that a mapper keeps the contract of mapper.Mapper, and what the portal relies on besides. Each part gets a
// mapper with an empty registry.
func Run(t *testing.T, newMapper func(t *testing.T) Registry) {
	for name, part := range map[string]func(t *testing.T, m Registry){
		"compare and set":            compareAndSet,
		"the portal alone is heard":  portalAloneIsHeard,
		"report":                     reportRules,
		"open case":                  openCase,
		"consent":                    consentKept,
		"what the portal says amiss": portalAmiss,
	} {
		t.Run(name, func(t *testing.T) { part(t, newMapper(t)) })
	}
	for name, part := range map[string]func(t *testing.T, m mapper.Mapper){
		"link, then resolve":         linkThenResolve,
		"rules of link":              linkRules,
		"rules of update":            updateRules,
		"rules of unlink":            unlinkRules,
		"rules of resolve":           resolveRules,
		"one bad item at each place": oneBadItem,
		"person and references":      itemRules,
		"limits to providers":        providerLimits,
		"replay":                     replay,
		"case":                       caseIgnored,
		"races":                      races,
		"details keep what was sent": detailsKept,
		"large batch":                largeBatch,
	} {
		t.Run(name, func(t *testing.T) { part(t, newMapper(t)) })
	}
}

type answer struct {
	Reference, ID, FA string
	Status            mapper.Status
	Code              mapper.Code
	Message           string
}

func answers(results []mapper.Result) []answer {
	list := make([]answer, 0, len(results))
	for _, r := range results {
		list = append(list, answer{r.ReferenceID, r.ID, r.FA, r.Status, r.Code, r.Message})
	}
	return list
}

func do(t *testing.T, m mapper.Mapper, action mapper.Action, by mapper.Actor, items ...mapper.Item) []answer {
	t.Helper()
	results, err := run(t, m, action, by, items)
	if err != nil {
		t.Fatalf("%s: %v", action, err)
	}
	return answers(results)
}

func run(t *testing.T, m mapper.Mapper, action mapper.Action, by mapper.Actor, items []mapper.Item) ([]mapper.Result, error) {
	t.Helper()
	switch action {
	case mapper.Link:
		return m.Link(t.Context(), by, items)
	case mapper.Update:
		return m.Update(t.Context(), by, items)
	case mapper.Unlink:
		return m.Unlink(t.Context(), by, items)
	default:
		return m.Resolve(t.Context(), by, items)
	}
}

func want(t *testing.T, got []answer, want ...answer) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func linkThenResolve(t *testing.T, m mapper.Mapper) {
	want(t, do(t, m, mapper.Link, By("A"), Item("r1", id1, fa1), Item("r2", id2, fa2)),
		answer{"r1", id1, fa1, "succ", "", ""}, answer{"r2", id2, fa2, "succ", "", ""})
	want(t, do(t, m, mapper.Resolve, By("B"), Item("q1", id2, ""), Details("q2", id1, ""), Item("q3", id3, "")),
		answer{"q1", id2, "", "succ", "succ.id.active", ""},
		answer{"q2", id1, fa1, "succ", "succ.id.active", ""},
		answer{"q3", id3, "", "succ", "succ.id.not_found", "ID doesnt exist please link first"})
}

func linkRules(t *testing.T, m mapper.Mapper) {
	noID, nullFA := Item("r1", "", fa1), Item("r2", id1, "")
	want(t, do(t, m, mapper.Link, By("A"), noID, nullFA, Item("r3", id1, fa1), Item("r4", id1, fa2), Item("r5", id1, fa1)),
		answer{"r1", "", fa1, "rjct", "rjct.id.invalid", "ID is null"},
		answer{"r2", id1, "", "rjct", "rjct.fa.invalid", "FA is null"},
		answer{"r3", id1, fa1, "succ", "", ""},
		answer{"r4", id1, fa2, "rjct", "rjct.reference_id.duplicate", "ID and FA are already mapped"},
		answer{"r5", id1, fa1, "rjct", "rjct.reference_id.duplicate", "ID and FA are already mapped"})
	want(t, do(t, m, mapper.Link, By("A"), Item("r1", id1, fa1), Item("r2", id2, fa1)),
		answer{"r1", id1, fa1, "rjct", "rjct.reference_id.duplicate", "ID and FA are already mapped"},
		answer{"r2", id2, fa1, "succ", "", ""})
	for _, bad := range []string{"100001", "@x", "a@", "to ken:1@x", "t:1@n@m", "t:1@né", "t:1@n\n", " t:1@n", strings.Repeat("1", 300) + "@n", "to:ken:1@x"} {
		got := do(t, m, mapper.Link, By("A"), Item("r", bad, fa1))[0]
		if got.Code != mapper.IDInvalid || !strings.Contains(got.Message, "type:value@provider") {
			t.Errorf("link of ID %q: %+v", bad, got)
		}
	}
	for _, bad := range []string{"x", "account:1@2", "account:@1.A.bank_acc", "account:1@.A.bank_acc", "account:1@2.3.bank_acc ", "account:é@1.A.bank_acc", "mobile:abc@G.mobile_wallet",
		"account_number:1:2.branch_name:b.branch_code:c.bank_name:n.bank_code:d.fa_type:BANK_ACCOUNT", "account:1@2.3.bank_acc\x00"} {
		got := do(t, m, mapper.Link, By("A"), Item("r", id3, bad))[0]
		if got.Code != mapper.FAInvalid || got.Message == "FA is null" {
			t.Errorf("link of FA %q: %+v", bad, got)
		}
	}
}

func updateRules(t *testing.T, m mapper.Mapper) {
	do(t, m, mapper.Link, By("A"), Item("r1", id1, fa1))
	want(t, do(t, m, mapper.Update, By("A"), Item("r1", id1, fa2), Item("r2", id2, fa2), Item("r3", "", fa2), Item("r4", id1, ""), Item("r5", id1, fa3)),
		answer{"r1", id1, fa2, "succ", "", ""},
		answer{"r2", id2, fa2, "rjct", "rjct.id.invalid", "ID doesnt exist please link first"},
		answer{"r3", "", fa2, "rjct", "rjct.id.invalid", "ID is null"},
		answer{"r4", id1, "", "rjct", "rjct.fa.invalid", "FA is null"},
		answer{"r5", id1, fa3, "succ", "", ""})
	want(t, do(t, m, mapper.Resolve, By("A"), Details("q", id1, "")), answer{"q", id1, fa3, "succ", "succ.id.active", ""})
}

func unlinkRules(t *testing.T, m mapper.Mapper) {
	do(t, m, mapper.Link, By("A"), Item("r1", id1, fa1), Item("r2", id2, fa2))
	empty := Item("r3", id1, "")
	empty.FA = mapper.String("")
	want(t, do(t, m, mapper.Unlink, By("A"), Item("r1", "", ""), Item("r2", id3, ""), empty, Item("r4", id1, fa2), Item("r5", id1, fa1), Item("r6", id1, fa1), Item("r7", id2, "")),
		answer{"r1", "", "", "rjct", "rjct.id.invalid", "ID is null"},
		answer{"r2", id3, "", "rjct", "rjct.id.invalid", "ID doesnt exist please link first"},
		answer{"r3", id1, "", "rjct", "rjct.fa.invalid", "FA is null"},
		answer{"r4", id1, "", "rjct", "rjct.id.invalid", "ID doesnt exist please link first"},
		answer{"r5", id1, "", "succ", "", ""},
		answer{"r6", id1, "", "rjct", "rjct.id.invalid", "ID doesnt exist please link first"},
		answer{"r7", id2, "", "succ", "", ""})
	want(t, do(t, m, mapper.Resolve, By("A"), Item("q1", id1, ""), Item("q2", id2, "")),
		answer{"q1", id1, "", "succ", "succ.id.not_found", "ID doesnt exist please link first"},
		answer{"q2", id2, "", "succ", "succ.id.not_found", "ID doesnt exist please link first"})
	want(t, do(t, m, mapper.Link, By("A"), Item("r1", id1, fa3)), answer{"r1", id1, fa3, "succ", "", ""})
}

func resolveRules(t *testing.T, m mapper.Mapper) {
	do(t, m, mapper.Link, By("A"), Item("r1", id1, fa1))
	neither, byFA, unknownFA, scope := Item("q1", "", ""), Item("q2", "", fa1), Item("q3", "", fa2), Item("q8", id1, "")
	scope.Scope = mapper.String("everything")
	want(t, do(t, m, mapper.Resolve, By("A"), neither, byFA, unknownFA, Item("q4", id1, fa1), Item("q5", id1, fa2), Item("q6", id2, fa1), Details("q7", "", fa1), scope, Item("q9", "nonsense", ""), Details("q10", id1, fa2)),
		answer{"q1", "", "", "rjct", "rjct.id.invalid", "Either ID or FA are required"},
		answer{"q2", "", "", "succ", "succ.fa.active", ""},
		answer{"q3", "", "", "succ", "succ.fa.not_found", "FA is not linked to any ID"},
		answer{"q4", id1, "", "succ", "succ.id.active", ""},
		answer{"q5", id1, "", "succ", "succ.fa.not_linked_to_id", "FA is not linked to this ID"},
		answer{"q6", id2, "", "succ", "succ.fa.not_linked_to_id", "FA is not linked to this ID"},
		answer{"q7", id1, fa1, "succ", "succ.fa.active", ""},
		answer{"q8", id1, "", "rjct", "rjct.resolve_type.not_supported", "scope must be yes_no or details"},
		answer{"q9", "nonsense", "", "rjct", "rjct.id.invalid", "ID must have the form type:value@provider, in printable ASCII without spaces, of at most 256 characters"},
		answer{"q10", id1, "", "succ", "succ.fa.not_linked_to_id", "FA is not linked to this ID"})
}

// oneBadItem: each item has an owner of its own, so that an answer given to the wrong one shows.
func oneBadItem(t *testing.T, m mapper.Mapper) {
	const n = 5
	for bad := range n {
		items := make([]mapper.Item, n)
		for i := range n {
			items[i] = Item(fmt.Sprintf("r%d", i), fmt.Sprintf("token:%d%d@nationalid", bad, i), fmt.Sprintf("account:%d%d@1.ALPHA.bank_acc", bad, i))
		}
		items[bad].FA = mapper.String("nonsense")
		for i, got := range do(t, m, mapper.Link, By("A"), items...) {
			if ok := got.Status == mapper.Succeeded; ok == (i == bad) || got.Reference != items[i].ReferenceID.Value || got.ID != items[i].ID.Value {
				t.Errorf("bad item at %d: answer %d is %+v", bad, i, got)
			}
		}
		for i := range items {
			items[i] = Details(items[i].ReferenceID.Value, items[i].ID.Value, "")
		}
		for i, got := range do(t, m, mapper.Resolve, By("A"), items...) {
			fa := fmt.Sprintf("account:%d%d@1.ALPHA.bank_acc", bad, i)
			if i == bad {
				fa = ""
			}
			if got.FA != fa {
				t.Errorf("bad item at %d: item %d resolves to %q, want %q", bad, i, got.FA, fa)
			}
		}
	}
}

func itemRules(t *testing.T, m mapper.Mapper) {
	change := func(f func(i *mapper.Item)) mapper.Item {
		item := Item("r", id1, fa1)
		f(&item)
		return item
	}
	long := strings.Repeat("x", 5000)
	for name, test := range map[string]struct {
		item                 mapper.Item
		link, update, unlink mapper.Code
	}{
		"no reference":       {change(func(i *mapper.Item) { i.ReferenceID = mapper.Text{} }), "rjct.reference_id.invalid", "rjct.reference_id.invalid", "rjct.reference_id.invalid"},
		"long reference":     {change(func(i *mapper.Item) { i.ReferenceID = mapper.String(long) }), "rjct.reference_id.invalid", "rjct.reference_id.invalid", "rjct.reference_id.invalid"},
		"no timestamp":       {change(func(i *mapper.Item) { i.Timestamp = mapper.Text{} }), "rjct.timestamp.invalid", "rjct.timestamp.invalid", "rjct.timestamp.invalid"},
		"bad timestamp":      {change(func(i *mapper.Item) { i.Timestamp = mapper.String("yesterday") }), "rjct.timestamp.invalid", "rjct.timestamp.invalid", "rjct.timestamp.invalid"},
		"id of another type": {change(func(i *mapper.Item) { i.ID = mapper.Text{Present: true, Invalid: true} }), "rjct.id.invalid", "rjct.id.invalid", "rjct.id.invalid"},
		"fa of another type": {change(func(i *mapper.Item) { i.FA = mapper.Text{Present: true, Invalid: true} }), "rjct.fa.invalid", "rjct.fa.invalid", "rjct.fa.invalid"},
		"long name":          {change(func(i *mapper.Item) { i.Name = mapper.String(long) }), "rjct.name.invalid", "rjct.beneficiary_name.invalid", "rjct.beneficiary_name.invalid"},
		"control in name":    {change(func(i *mapper.Item) { i.Name = mapper.String("A\nB") }), "rjct.name.invalid", "rjct.beneficiary_name.invalid", "rjct.beneficiary_name.invalid"},
		"bad phone":          {change(func(i *mapper.Item) { i.Phone = mapper.String("call me") }), "rjct.mobile_number.invalid", "rjct.beneficiary_name.invalid", "rjct.beneficiary_name.invalid"},
		"bad locale":         {change(func(i *mapper.Item) { i.Locale = mapper.String("<b>") }), "rjct.other.error", "rjct.beneficiary_name.invalid", "rjct.beneficiary_name.invalid"},
		"info not a list":    {change(func(i *mapper.Item) { i.InfoInvalid = true }), "rjct.other.error", "rjct.beneficiary_name.invalid", "rjct.beneficiary_name.invalid"},
		"large info": {change(func(i *mapper.Item) {
			i.AdditionalInfo = []mapper.Attribute{{Name: "a", Value: []byte(`"` + long + `"`)}}
		}), "rjct.other.error", "rjct.beneficiary_name.invalid", "rjct.beneficiary_name.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			for action, code := range map[mapper.Action]mapper.Code{mapper.Link: test.link, mapper.Update: test.update, mapper.Unlink: test.unlink} {
				got := do(t, m, action, By("A"), test.item)[0]
				if got.Status != mapper.Rejected || got.Code != code || got.Message == "" {
					t.Errorf("%s: %+v, want code %s", action, got, code)
				}
			}
		})
	}
	got := do(t, m, mapper.Link, By("A"), Item("same", id1, fa1), Item("same", id2, fa2))
	if got[0].Status != mapper.Succeeded || got[1].Code != mapper.ReferenceIDDuplicate || got[1].Message == "ID and FA are already mapped" {
		t.Errorf("a reference id used twice: %+v", got)
	}
}

func providerLimits(t *testing.T, m mapper.Mapper) {
	alpha := func() mapper.Actor {
		by := By("ALPHA")
		by.FAProviders = []string{"alpha"}
		return by
	}
	got := do(t, m, mapper.Link, alpha(), Item("r1", id1, fa1), Item("r2", id2, fa2))
	if got[0].Status != mapper.Succeeded || got[1].Code != mapper.FAInvalid {
		t.Errorf("link within and outside the limits: %+v", got)
	}
	do(t, m, mapper.Link, By("ANY"), Item("r2", id2, fa2))
	if got := do(t, m, mapper.Unlink, alpha(), Item("r1", id2, fa2), Item("r2", id2, "")); got[0].Code != mapper.FAInvalid || got[1].Code != mapper.FAInvalid {
		t.Errorf("unlink of another provider's address: %+v", got)
	}
	if got := do(t, m, mapper.Update, alpha(), Item("r1", id1, fa2)); got[0].Code != mapper.FAInvalid {
		t.Errorf("update to another provider's address: %+v", got)
	}
	if got := do(t, m, mapper.Unlink, alpha(), Item("r1", id1, fa1)); got[0].Status != mapper.Succeeded {
		t.Errorf("unlink within the limits: %+v", got)
	}
}

func replay(t *testing.T, m mapper.Mapper) {
	by := By("A")
	do(t, m, mapper.Link, by, Item("r1", id1, fa1))
	for _, action := range []mapper.Action{mapper.Link, mapper.Update, mapper.Unlink, mapper.Resolve} {
		if _, err := run(t, m, action, by, []mapper.Item{Item("r2", id1, fa2)}); !errors.Is(err, mapper.ErrDuplicateMessage) {
			t.Errorf("%s with a used message id: error %v, want ErrDuplicateMessage", action, err)
		}
	}
	want(t, do(t, m, mapper.Resolve, By("A"), Details("q", id1, "")), answer{"q", id1, fa1, "succ", "succ.id.active", ""})
	other := by
	other.Partner = "B"
	want(t, do(t, m, mapper.Resolve, other, Item("q", id1, "")), answer{"q", id1, "", "succ", "succ.id.active", ""})
}

func caseIgnored(t *testing.T, m mapper.Mapper) {
	const mixed, address = "Token:AbC@NationalID", "Account:Ab12@001.Alpha.BANK_ACC"
	want(t, do(t, m, mapper.Link, By("A"), Item("r1", mixed, address), Item("r2", "TOKEN:ABC@nationalid", fa2)),
		answer{"r1", mixed, address, "succ", "", ""},
		answer{"r2", "TOKEN:ABC@nationalid", fa2, "rjct", "rjct.reference_id.duplicate", "ID and FA are already mapped"})
	want(t, do(t, m, mapper.Resolve, By("A"), Item("q1", "token:abc@NATIONALID", strings.ToUpper(address)), Details("q2", "token:abc@NATIONALID", "")),
		answer{"q1", "token:abc@NATIONALID", "", "succ", "succ.id.active", ""},
		answer{"q2", mixed, address, "succ", "succ.id.active", ""})
}

// races: of many batches that link the same people in different orders, each person is linked by exactly one.
func races(t *testing.T, m mapper.Mapper) {
	const batches, people = 8, 40
	var mu sync.Mutex
	succeeded := map[string]int{}
	var wg sync.WaitGroup
	for b := range batches {
		wg.Go(func() {
			items := make([]mapper.Item, people)
			for i := range items {
				n := (i*7 + b*13) % people
				items[i] = Item(fmt.Sprint(i), fmt.Sprintf("token:r%d@nationalid", n), fmt.Sprintf("account:%d@1.B%d.bank_acc", n, b))
			}
			results, err := m.Link(t.Context(), By("A"), items)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range results {
				if r.Status == mapper.Succeeded {
					succeeded[r.ID]++
				}
			}
		})
	}
	wg.Wait()
	for n := range people {
		if id := fmt.Sprintf("token:r%d@nationalid", n); succeeded[id] != 1 {
			t.Errorf("%s was linked by %d batches", id, succeeded[id])
		}
	}
}

func detailsKept(t *testing.T, m mapper.Mapper) {
	item := Item("r", id1, fa1)
	item.Name, item.Phone, item.Locale = mapper.String("Amara O’Brien"), mapper.String("tel:+1-555-010-0123;ext=5"), mapper.String("eng")
	item.AdditionalInfo = []mapper.Attribute{{Name: "YOB", Value: []byte(`1980`)}, {Name: "note", Value: []byte(`"a \"b\""`)}, {Name: "o", Value: []byte(`{"k":[1,2]}`)}}
	do(t, m, mapper.Link, By("A"), item)
	results, err := m.Resolve(t.Context(), By("A"), []mapper.Item{Details("q", id1, "")})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(item.AdditionalInfo, results[0].AdditionalInfo); diff != "" {
		t.Errorf("additional_info (-want +got):\n%s", diff)
	}
	if p := results[0].Provider; p == nil || p.Code != "ALPHA" || p.Name == "" || p.Subcode != "001" {
		t.Errorf("account provider info: %+v", p)
	}
	yesNo, err := m.Resolve(t.Context(), By("A"), []mapper.Item{Item("q", id1, "")})
	if err != nil {
		t.Fatal(err)
	}
	if r := yesNo[0]; r.Provider != nil || r.FA != "" || r.AdditionalInfo != nil || r.Name != "" {
		t.Errorf("a yes/no answer reveals %+v", r)
	}
}

func largeBatch(t *testing.T, m mapper.Mapper) {
	const n = 3000
	items := make([]mapper.Item, n)
	for i := range items {
		items[i] = Item(fmt.Sprint(i), fmt.Sprintf("token:%d@nationalid", i), fmt.Sprintf("account:%d@1.ALPHA.bank_acc", i))
	}
	for i, got := range do(t, m, mapper.Link, By("A"), items...) {
		if got.Status != mapper.Succeeded {
			t.Fatalf("link %d: %+v", i, got)
		}
	}
	questions := make([]mapper.Item, n)
	for i := range questions {
		questions[i] = Details(fmt.Sprint(i), items[n-1-i].ID.Value, "")
	}
	for i, got := range do(t, m, mapper.Resolve, By("A"), questions...) {
		if want := questions[i].ID.Value; got.ID != want {
			t.Fatalf("resolve %d: %+v, want ID %s", i, got, want)
		}
	}
}
