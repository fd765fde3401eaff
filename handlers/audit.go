package handlers

import (
	"context"

	"github.com/gin-gonic/gin"

	"spar/internal/audit"
	"spar/keymgr"
	"spar/mapper/wire"
	"spar/web"
)

// actorOf is who an audit event names for somebody who is logged in. A beneficiary stays nameless there.
func actorOf(ctx context.Context, user web.User) audit.Actor {
	if user.Audience != web.Staff {
		return audit.Actor{Kind: audit.Beneficiary, RequestID: web.RequestID(ctx)}
	}
	return audit.Actor{Kind: audit.Staff, ID: user.Provider + ":" + user.Subject, RequestID: web.RequestID(ctx)}
}

// deniedPage is the page that somebody may not see, for the audit log: its route, never a path, which anybody can make up.
func deniedPage(c *gin.Context) string {
	if route := c.FullPath(); route != "" {
		return route
	}
	return "(no page)"
}

// audited reports whether a refused call is a matter for the audit log: somebody could not prove who they are, or asked
// for what they may not have. What was only written wrongly, or failed with us, is not.
func audited(call keymgr.Call) bool {
	switch call.Outcome {
	case callBad, callFailed:
		return false
	case callForbidden, callLimited, string(signatureMissing), string(wire.Duplicate().Code):
		return true
	}
	for _, reason := range keymgr.Reasons() {
		if call.Outcome == string(reason) {
			return true
		}
	}
	return false
}
