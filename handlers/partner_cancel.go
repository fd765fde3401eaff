package handlers

import (
	"bytes"
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/mapper/wire"
)

// cancelHeld stops a change that waits, for the person who is logged in at a portal that runs apart. No other partner may
// ask: what somebody else has done to the link ends such a change anyway.
func (p *PartnerAPI) cancelHeld(c *gin.Context) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), callTimeout)
	defer cancel()
	body := buffers.Get().(*bytes.Buffer)
	defer recycle(body)
	if err := readBody(c, body); err != nil {
		return err
	}
	request, partner, err := p.authenticate(ctx, c, wire.Cancel, body.Bytes())
	if err != nil {
		return err
	}
	if fault, err := p.checkOne(request); fault != nil || err != nil {
		return p.answerOr(c, request, fault, err)
	}
	item := request.Items[0]
	result := mapper.Result{ReferenceID: item.ReferenceID.Value, ID: item.ID.Value, Status: mapper.Succeeded}
	stopped, err := p.Holds.CancelHeld(ctx, callerOf(ctx, request, partner), mapper.ID(item.ID.Value), item.Change.Value)
	switch {
	case errors.Is(err, mapper.ErrDuplicateMessage):
		return p.answer(c, &wire.Response{Request: request, Fault: wire.Duplicate()})
	case errors.Is(err, mapper.ErrNotHeld):
		result.Status, result.Code, result.Message = mapper.Rejected, mapper.StateStale, "this change does not wait any more"
	case err != nil:
		return err
	}
	result.ChangeID, result.ChangedAt = stopped.ID, stopped.At
	return p.answer(c, &wire.Response{Request: request, Results: []mapper.Result{result}, Portal: true})
}
