package handlers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"spar/internal/quota"
	"spar/keymgr"
	"spar/mapper"
	"spar/mapper/wire"
)

// limitedError refuses a call that the partner's budget does not pay for.
type limitedError struct{ wait time.Duration }

func (e *limitedError) Error() string { return "budget is spent for " + e.seconds() + " seconds" }

// seconds is the value of Retry-After.
func (e *limitedError) seconds() string { return seconds(e.wait) }

// account is what a partner's calls are paid from.
func account(partner keymgr.Partner) quota.Account {
	return quota.Account{Partner: partner.ReferenceID, PerSecond: partner.Limits.ItemsPerSecond, BulkPerSecond: partner.Limits.BulkItemsPerSecond}
}

// maxBatch is how many items a partner may send in one message.
func (p *PartnerAPI) maxBatch(partner keymgr.Partner) int {
	return partner.Limits.Within(keymgr.Limits{MaxBatch: p.MaxBatch}).MaxBatch
}

// pay takes a call's items off the partner's budget. It comes after the signature: nobody else can spend it.
func (p *PartnerAPI) pay(request *wire.Request, partner keymgr.Partner) error {
	kind := p.Quotas.KindOf(request.Action == mapper.Resolve, len(request.Items))
	if wait, ok := p.Quotas.Take(account(partner), kind, max(1, len(request.Items))); !ok {
		return &limitedError{wait}
	}
	return nil
}

// payMisses takes what items cost beyond their price that found nobody: who guesses IDs runs dry soon.
func (p *PartnerAPI) payMisses(request *wire.Request, partner keymgr.Partner, results []mapper.Result) {
	misses := 0
	for i := range results {
		if code := results[i].Code; code == mapper.IDNotFound || code == mapper.FANotFound || code == mapper.FANotLinkedToID {
			misses++
		}
	}
	p.Quotas.Missed(account(partner), p.Quotas.KindOf(request.Action == mapper.Resolve, len(request.Items)), misses)
}

// limitsAnswer is what a partner learns of its own limits.
type limitsAnswer struct {
	Partner     string              `json:"partner"`
	Permissions []keymgr.Permission `json:"permissions"`
	FAProviders []string            `json:"fa_providers"` // empty: any
	MaxBatch    int                 `json:"max_batch"`
	BulkFrom    int                 `json:"bulk_from"`
	MissCost    int                 `json:"miss_cost"`
	Budgets     []quota.State       `json:"budgets"`
}

// limits answers GET /mapper/limits. There is no body to sign, so the token carries the envelope in full form: a header
// with the sender, a message id, the time and the action "limits".
func (p *PartnerAPI) limits(c *gin.Context) error {
	signature := c.Request.Header.Values("Signature")
	payload, err := keymgr.Payload(signature)
	if err != nil {
		return err
	}
	request, err := wire.Parse(wire.Limits, payload, 0)
	if err != nil {
		return err
	}
	partner, err := p.Verifier.Verify(c.Request.Context(), keymgr.Signed{Sender: request.Header.SenderID, Signature: signature, Body: payload})
	if err != nil {
		return err
	}
	if request.Problem != "" {
		return &wire.SyntaxError{Expected: request.Problem}
	}
	if fault := request.Check(p.Now(), p.MessageWindow, 0); fault != nil {
		return &wire.SyntaxError{Expected: fault.Message}
	}
	answer := limitsAnswer{Partner: partner.ReferenceID, Permissions: partner.Permissions, FAProviders: partner.FAProviders, MaxBatch: p.maxBatch(partner)}
	if answer.FAProviders == nil {
		answer.FAProviders = []string{}
	}
	answer.Budgets, answer.BulkFrom, answer.MissCost = p.Quotas.States(account(partner))
	body, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encode limits: %w", err)
	}
	p.write(c, http.StatusOK, body)
	return nil
}
