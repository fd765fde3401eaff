package handlers

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/mapper"
	"spar/mapper/wire"
	"spar/web"
)

// The outcomes of calls that neither a header fault's code nor a reason of refusal nor [keymgr.CallOK] names.
const (
	callForbidden = "forbidden"
	callLimited   = "limited"
	callBad       = "bad_request"
	callFailed    = "failed" // our fault
)

// attempt is what is known of a call while it is handled, for the administrators' pages.
type attempt struct {
	action  mapper.Action
	partner string // once proven
	fault   *wire.Fault
}

// record notes what became of a call.
func (p *PartnerAPI) record(c *gin.Context, a *attempt, err error) {
	call := keymgr.Call{Partner: a.partner, Action: string(a.action), Outcome: keymgr.CallOK, RequestID: web.RequestID(c.Request.Context())}
	if err != nil {
		a.describe(&call, err)
	} else if a.fault != nil {
		call.Refused, call.Outcome, call.Detail = true, string(a.fault.Code), a.fault.Message
	}
	if p.Calls != nil {
		p.Calls.Record(call)
	}
	if call.Refused && audited(call) {
		p.Refusals.Call(call.Partner, call.Outcome, call.RequestID)
	}
}

// describe says why a call failed. The texts are those of the log: nothing of the body is in them.
func (a *attempt) describe(call *keymgr.Call, err error) {
	call.Refused = true
	refusal, refused := errors.AsType[*keymgr.Refusal](err)
	missing, forbidden := errors.AsType[*forbiddenError](err)
	limited, spent := errors.AsType[*limitedError](err)
	out := problemOf(err)
	switch {
	case refused:
		call.Partner, call.Outcome, call.Detail = refusal.Sender, string(refusal.Reason), refusal.Detail.Error()
	case errors.Is(err, keymgr.ErrSignatureMissing):
		call.Outcome = string(signatureMissing)
	case forbidden:
		call.Outcome, call.Detail = callForbidden, missing.Error()
	case spent:
		call.Outcome, call.Detail = callLimited, limited.Error()
	case out.status >= http.StatusInternalServerError:
		call.Outcome = callFailed
	default:
		call.Outcome, call.Detail = callBad, out.message
	}
}

// forbiddenError refuses a call for want of permissions.
type forbiddenError struct{ missing []keymgr.Permission }

func (e *forbiddenError) Error() string {
	names := make([]string, len(e.missing))
	for i, permission := range e.missing {
		names[i] = string(permission)
	}
	return "the partner lacks the permission " + strings.Join(names, ", ")
}
