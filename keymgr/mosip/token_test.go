package mosip_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"spar/keymgr/mosip"
	"spar/keymgr/mosip/mosiptest"
)

// TestAWithdrawnTokenIsRenewedOnce, whether it is told by the status or in the envelope.
func TestAWithdrawnTokenIsRenewedOnce(t *testing.T) {
	w := newWorld(t)
	w.double.WithdrawTokens()
	w.accepts(t, body, w.signed(t))
	if n := len(w.double.Calls("token")); n != 2 {
		t.Errorf("%d tokens asked for, want 2", n)
	}
	for name, answer := range map[string]mosiptest.Twist{"401 once": mosiptest.Unauthorized(), "KER-ATH-401 once": mosiptest.Fails("KER-ATH-401")} {
		tokens, calls := len(w.double.Calls("token")), len(w.double.Calls("jwtVerify"))
		w.double.MisbehaveOnce("jwtVerify", answer)
		w.accepts(t, body, w.signed(t))
		if tokens, calls = len(w.double.Calls("token"))-tokens, len(w.double.Calls("jwtVerify"))-calls; tokens != 1 || calls != 2 {
			t.Errorf("%s: %d tokens and %d calls, want 1 and 2", name, tokens, calls)
		}
	}
	tokens, calls := len(w.double.Calls("token")), len(w.double.Calls("jwtVerify"))
	w.double.Misbehave("jwtVerify", mosiptest.Unauthorized())
	_, err := w.verify(t.Context(), "PARTNER-A", body, w.signed(t))
	w.unknown(t, err)
	if tokens, calls = len(w.double.Calls("token"))-tokens, len(w.double.Calls("jwtVerify"))-calls; tokens != 1 || calls != 2 {
		t.Errorf("401 always: %d tokens and %d calls, want 1 and 2", tokens, calls)
	}
}

func TestATokenIsRenewedBeforeItEnds(t *testing.T) {
	w := newWorld(t)
	w.clock.advance(4*time.Minute + 29*time.Second)
	w.accepts(t, body, w.signed(t))
	if n := len(w.double.Calls("token")); n != 1 {
		t.Errorf("%d tokens asked for, want 1", n)
	}
	w.clock.advance(2 * time.Second)
	w.accepts(t, body, w.signed(t))
	if n := len(w.double.Calls("token")); n != 2 {
		t.Errorf("%d tokens asked for, want 2", n)
	}
}

// TestOneTokenForManyCalls: callers wait for one token instead of asking for one each.
func TestOneTokenForManyCalls(t *testing.T) {
	w := newWorld(t).fresh(t, func(c *mosip.Config) { c.Timeout = mosip.MaxTimeout })
	before := len(w.double.Calls("token"))
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() { w.accepts(t, body, w.signed(t)) })
	}
	calls.Wait()
	if n := len(w.double.Calls("token")) - before; n != 1 {
		t.Errorf("%d tokens asked for, want 1", n)
	}
}

// TestMisbehavingTokenServer: without a token nothing is asked and nothing accepted.
func TestMisbehavingTokenServer(t *testing.T) {
	w := newWorld(t)
	token := func(members string) mosiptest.Twist { return mosiptest.JSON(`{` + members + `}`) }
	before := len(w.double.Calls("jwtVerify"))
	for name, answer := range map[string]mosiptest.Twist{
		"hangs":             mosiptest.Hang(),
		"breaks off":        mosiptest.CutOff(),
		"500":               mosiptest.Answer(http.StatusInternalServerError, "text/html", "MESSAGEMARKER"),
		"wrong secret":      mosiptest.Answer(http.StatusUnauthorized, "application/json", `{"error":"unauthorized_client","error_description":"MESSAGEMARKER"}`),
		"garbage":           mosiptest.JSON("MESSAGEMARKER"),
		"empty":             mosiptest.JSON(""),
		"huge":              token(`"access_token":"` + strings.Repeat("a", 1<<20) + `","token_type":"Bearer"`),
		"no token":          token(`"token_type":"Bearer","expires_in":300`),
		"a blank token":     token(`"access_token":"","token_type":"Bearer","expires_in":300`),
		"not for bearers":   token(`"access_token":"abc","token_type":"DPoP","expires_in":300`),
		"a cookie too many": token(`"access_token":"abc; Authorization=other","token_type":"Bearer","expires_in":300`),
		"a line too many":   token(`"access_token":"abc\r\nX-Injected: 1","token_type":"Bearer","expires_in":300`),
		"long":              token(`"access_token":"` + strings.Repeat("a", 9<<10) + `","token_type":"Bearer","expires_in":300`),
		"redirect":          mosiptest.Redirect("/elsewhere"),
	} {
		t.Run(name, func(t *testing.T) {
			w.double.Misbehave("token", answer)
			_, err := w.fresh(t).verify(t.Context(), "PARTNER-A", body, w.signed(t))
			w.unknown(t, err)
		})
	}
	if n := len(w.double.Calls("jwtVerify")) - before; n != 0 {
		t.Errorf("asked %d times without a token", n)
	}
	if n := len(w.double.Calls("elsewhere")); n != 0 {
		t.Error("the secret followed a redirect")
	}
	w.double.Behave()
	w.fresh(t, func(c *mosip.Config) { c.ClientSecret = "wrong" }).unavailable(t)
}

func (w *world) unavailable(t *testing.T) {
	t.Helper()
	_, err := w.verify(t.Context(), "PARTNER-A", body, w.signed(t))
	w.unknown(t, err)
}
