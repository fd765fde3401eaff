package mapper

import (
	"context"
	"fmt"
	"time"
)

// question is a resolve item that needs a look at the links.
type question struct {
	place   int
	id      key
	fa      key
	hasID   bool
	hasFA   bool
	details bool
}

// Resolve implements [Mapper]. Whoever may not see details must not be let through with items that ask for them: see
// [Scopes].
func (s *Service) Resolve(ctx context.Context, by Actor, items []Item) ([]Result, error) {
	if by.Partner == "" || by.MessageID == "" {
		return nil, fmt.Errorf("resolve %d items: %w", len(items), ErrNoActor)
	}
	results, err := s.resolve(ctx, by, items)
	if err != nil {
		return nil, fmt.Errorf("resolve %d items: %w", len(items), err)
	}
	return results, nil
}

func (s *Service) resolve(ctx context.Context, by Actor, items []Item) ([]Result, error) {
	results := make([]Result, len(items))
	questions, err := s.questions(items, results)
	if err != nil {
		return nil, err
	}
	shown, err := s.answerAll(ctx, by, items, questions, results)
	if err != nil {
		return nil, err
	}
	if by.ByBeneficiary {
		shown = nil // people need not be told that they looked themselves
		if err := s.addCases(ctx, questions, results); err != nil {
			return nil, err
		}
	}
	// Last of all, in one statement and before anything is told: the message id, and whose details the answer shows. What
	// could not be recorded is not answered, and an answer that could not be made leaves the message free to be sent again.
	if err := s.burnShown(ctx, by, shown); err != nil {
		return nil, err
	}
	return results, nil
}

// answerAll fills in the results and returns the packed keys of the people whose details they show.
func (s *Service) answerAll(ctx context.Context, by Actor, items []Item, questions []question, results []Result) (shown packed, _ error) {
	byID, byFA, err := s.lookUp(ctx, questions)
	if err != nil {
		return nil, err
	}
	providers, err := s.directory.providers(ctx)
	if err != nil {
		return nil, err
	}
	for _, q := range questions {
		if results[q.place], err = s.answer(items[q.place], q, byID, byFA, providers, &shown); err != nil {
			return nil, err
		}
	}
	if by.ByBeneficiary {
		return shown, s.addHeld(ctx, questions, byID, results, providers)
	}
	return shown, nil
}

func (s *Service) questions(items []Item, results []Result) ([]question, error) {
	seen := make(map[string]bool, len(items))
	list := make([]question, 0, len(items))
	for place, item := range items {
		if refused := item.checkQuestion(seen); refused != nil {
			results[place] = item.result(*refused)
			results[place].FA = "" // an answer about an address never repeats one
			continue
		}
		q := question{place: place, hasID: item.ID.Value != "", hasFA: item.FA.Value != "", details: item.wantsDetails()}
		var err error
		if q.hasID {
			if q.id, err = s.sealer.hash(idDomain, item.ID.Value); err != nil {
				return nil, err
			}
		}
		if q.hasFA {
			if q.fa, err = s.sealer.hash(faDomain, item.FA.Value); err != nil {
				return nil, err
			}
		}
		list = append(list, q)
	}
	return list, nil
}

func (i Item) checkQuestion(seen map[string]bool) *refusal {
	if r := i.checkReference(seen); r != nil {
		return r
	}
	if i.ID.Value == "" && i.FA.Value == "" && !i.ID.Invalid && !i.FA.Invalid {
		return &refusal{IDInvalid, textNothingAsked}
	}
	if i.ID.Value != "" || i.ID.Invalid {
		if r := i.checkID(); r != nil {
			return r
		}
	}
	if i.FA.Invalid || checkFAText(i.FA.Value) != nil {
		return &refusal{FAInvalid, errFAForm.Error()}
	}
	if r := i.checkTimestamp(); r != nil {
		return r
	}
	return i.checkScope()
}

// lookUp reads the links of a batch: one statement for those asked by ID and one for those asked by address alone.
func (s *Service) lookUp(ctx context.Context, questions []question) (byID, byFA map[key]linkRow, err error) {
	var ids, fas []key
	idDetails, faDetails := false, false
	for _, q := range questions {
		if q.hasID {
			ids = append(ids, q.id)
			idDetails = idDetails || q.details
		} else {
			fas = append(fas, q.fa)
			faDetails = faDetails || q.details
		}
	}
	if len(ids) > 0 {
		if byID, err = s.readTogether(ctx, ids, idDetails); err != nil {
			return nil, nil, err
		}
	}
	if len(fas) > 0 {
		if byFA, err = readByFA(ctx, s.db, fas, faDetails); err != nil {
			return nil, nil, err
		}
	}
	return byID, byFA, nil
}

// reading is a look-up of few IDs, which others share a statement with.
type reading struct {
	ids    []key
	sealed bool

	found map[key]linkRow // of all who shared the statement
}

// Look-ups of at most fewIDs are gathered, maxReadings of them at a time: larger ones fill a statement by themselves.
const (
	fewIDs      = 20
	maxReadings = 64
)

// readTogether reads links by ID, few of them together with what others ask at the same moment.
func (s *Service) readTogether(ctx context.Context, ids []key, sealed bool) (map[key]linkRow, error) {
	if len(ids) > fewIDs {
		return readByID(ctx, s.db, s.db, ids, sealed, false)
	}
	r := &reading{ids: ids, sealed: sealed}
	if err := s.readings.do(ctx, r); err != nil {
		return nil, err // and r is not to be touched: it may still be worked on
	}
	return r.found, nil
}

// readAll reads the links of several look-ups in one statement.
func (s *Service) readAll(ctx context.Context, readings []*reading) error {
	var ids []key
	sealed := false
	for _, r := range readings {
		ids = append(ids, r.ids...)
		sealed = sealed || r.sealed
	}
	found, err := readByID(ctx, s.db, s.db, distinct(ids), sealed, false)
	for _, r := range readings {
		r.found = found
	}
	return err
}

// answer answers one question. A person whose details it shows is added to shown.
func (s *Service) answer(item Item, q question, byID, byFA map[key]linkRow, providers map[string]DFSP, shown *packed) (Result, error) {
	result := Result{ReferenceID: item.ReferenceID.Value, ID: item.ID.Value, Status: Succeeded}
	var row linkRow
	var found bool
	if q.hasID {
		row, found = byID[q.id]
		result.Code, result.Message = idCode(q, row, found)
	} else {
		row, found = byFA[q.fa]
		result.Code, result.Message = faCode(row, found)
	}
	if q.hasID {
		result.State = row.state(found)
	}
	// What does not match what was asked is not revealed.
	if !found || result.Code == FANotLinkedToID {
		return result, nil
	}
	result.ChangedAt = time.UnixMilli(row.changedAt).UTC()
	if !q.details {
		return result, nil
	}
	r, err := s.sealer.open(row.sealed, row.id, row.version)
	if err != nil {
		return Result{}, err
	}
	result.ID, result.FA, result.Name, result.AdditionalInfo = r.id, r.fa, r.name, r.info
	result.Provider = r.provider(providers)
	*shown = append(*shown, row.id[:]...)
	if row.heldUntil > 0 {
		result.AdditionalInfo = append(result.AdditionalInfo, pendingChange(row.heldUntil))
	}
	return result, nil
}

// PendingChange is the name in additional_info by which an answer with details says that the person has asked for a change
// that is held: its value is the time from which it counts. Nobody can link a pair of this name.
const PendingChange = "pending_change"

func pendingChange(due int64) Attribute {
	return Attribute{Name: PendingChange, Value: time.UnixMilli(due).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z07:00"`)}
}

func idCode(q question, row linkRow, found bool) (Code, string) {
	switch {
	case q.hasFA && (!found || row.fa != q.fa):
		return FANotLinkedToID, "FA is not linked to this ID"
	case !found:
		return IDNotFound, textNotLinked
	case !row.active:
		return IDInactive, "ID is linked, but the link is not active"
	default:
		return IDActive, ""
	}
}

func faCode(row linkRow, found bool) (Code, string) {
	switch {
	case !found:
		return FANotFound, "FA is not linked to any ID"
	case !row.active:
		return FAInactive, "FA is linked, but the link is not active"
	default:
		return FAActive, ""
	}
}

// provider names the account's bank or wallet from the directory, or by what the address itself says.
func (r record) provider(providers map[string]DFSP) *AccountProvider {
	p := &AccountProvider{Code: r.dfsp, Subcode: r.branch, Kind: r.kind}
	if known, ok := providers[fold(r.dfsp)]; ok {
		p.Name, p.Code = known.Name, known.Code
		return p
	}
	p.Name = r.dfspName
	if p.Name == "" {
		p.Name = r.dfsp
	}
	return p
}
