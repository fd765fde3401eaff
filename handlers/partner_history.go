package handlers

import (
	"bytes"
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/mapper/wire"
)

// historyLimit is how many changes a portal elsewhere is told.
const historyLimit = 200

// history answers a portal that runs apart what the pages of its logged-in person show. No other partner may ask: who
// changed a person's account, and when, is the person's affair. The message is resolved first, which also burns its id.
func (p *PartnerAPI) history(c *gin.Context) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), callTimeout)
	defer cancel()
	body := buffers.Get().(*bytes.Buffer)
	defer recycle(body)
	if err := readBody(c, body); err != nil {
		return err
	}
	request, partner, err := p.authenticate(ctx, c, wire.History, body.Bytes())
	if err != nil {
		return err
	}
	if fault := request.Check(p.Now(), p.MessageWindow, 1); fault != nil {
		return p.answer(c, &wire.Response{Request: request, Fault: fault})
	}
	if len(request.Items) != 1 {
		return &wire.SyntaxError{Expected: "message.history_request must have one item"}
	}
	results, err := p.act(ctx, request, partner)
	if errors.Is(err, mapper.ErrDuplicateMessage) {
		return p.answer(c, &wire.Response{Request: request, Fault: wire.Duplicate()})
	}
	if err != nil {
		return err
	}
	response := &wire.Response{Request: request}
	if results[0].Status == mapper.Succeeded {
		if response.Changes, err = p.History.History(ctx, mapper.ID(request.Items[0].ID.Value), historyLimit); err != nil {
			return err
		}
	}
	return p.answer(c, response)
}
