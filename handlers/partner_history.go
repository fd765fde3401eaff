package handlers

import (
	"bytes"
	"context"
	"errors"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/mapper/wire"
)

// How much a portal elsewhere is told.
const (
	historyLimit = 200
	lookupsLimit = 1000
)

func isOfPortal(action mapper.Action) bool { return action == wire.History || action == wire.Lookups }

// tellPortal answers a portal that runs apart what the pages of its logged-in person show. No other partner may ask: who
// changed a person's account, or looked at it, and when, is the person's affair. The message is resolved first, which also
// burns its id. A report is answered too.
func (p *PartnerAPI) tellPortal(c *gin.Context, action mapper.Action) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), callTimeout)
	defer cancel()
	body := buffers.Get().(*bytes.Buffer)
	defer recycle(body)
	if err := readBody(c, body); err != nil {
		return err
	}
	request, partner, err := p.authenticate(ctx, c, action, body.Bytes())
	if err != nil {
		return err
	}
	if fault, err := p.checkOne(request); fault != nil || err != nil {
		return p.answerOr(c, request, fault, err)
	}
	results, err := p.act(ctx, request, partner)
	if errors.Is(err, mapper.ErrDuplicateMessage) {
		return p.answer(c, &wire.Response{Request: request, Fault: wire.Duplicate()})
	}
	if err != nil {
		return err
	}
	response := &wire.Response{Request: request}
	switch {
	case action == wire.Report:
		response.Results, response.Portal = results, true
	case results[0].Status == mapper.Succeeded:
		if err := p.tell(ctx, mapper.ID(request.Items[0].ID.Value), response); err != nil {
			return err
		}
	}
	return p.answer(c, response)
}

// checkOne checks a message about one person.
func (p *PartnerAPI) checkOne(request *wire.Request) (*wire.Fault, error) {
	if fault := request.Check(p.Now(), p.MessageWindow, 1); fault != nil {
		return fault, nil
	}
	if len(request.Items) != 1 {
		return nil, &wire.SyntaxError{Expected: "message." + string(request.Action) + "_request must have one item"}
	}
	return nil, nil
}

func (p *PartnerAPI) answerOr(c *gin.Context, request *wire.Request, fault *wire.Fault, err error) error {
	if err != nil {
		return err
	}
	return p.answer(c, &wire.Response{Request: request, Fault: fault})
}

func (p *PartnerAPI) tell(ctx context.Context, id mapper.ID, response *wire.Response) (err error) {
	if response.Request.Action == wire.History {
		response.Changes, err = p.History.History(ctx, id, historyLimit)
		return err
	}
	if response.Lookups, err = p.Lookups.Lookups(ctx, id, lookupsLimit); err != nil {
		return err
	}
	names := map[string]string{}
	for i := range response.Lookups {
		l := &response.Lookups[i]
		l.PartnerName = partnerName(ctx, p.Partners, l.Partner, names)
	}
	return nil
}
