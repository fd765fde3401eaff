package mosip_test

import (
	"testing"
	"time"

	"spar/keymgr"
	"spar/keymgr/mosip"
	"spar/keymgr/mosip/mosiptest"
)

// TestAKeyManagerInTroubleIsLeftAlone, and asked again by one call after a pause.
func TestAKeyManagerInTroubleIsLeftAlone(t *testing.T) {
	w := newWorld(t).fresh(t, func(c *mosip.Config) { c.Pause = time.Hour })
	signature := w.signed(t)
	w.double.Misbehave("jwtVerify", mosiptest.Fails("KER-KMS-500"))
	for range 5 {
		_, err := w.verify(t.Context(), "PARTNER-A", body, signature)
		w.unknown(t, err)
	}
	asked := len(w.double.Calls("jwtVerify"))
	if w.State() != "open" {
		t.Fatalf("after five failures the breaker is %s", w.State())
	}
	w.double.Behave()
	for range 3 {
		_, err := w.verify(t.Context(), "PARTNER-A", body, signature)
		w.unknown(t, err)
	}
	if n := len(w.double.Calls("jwtVerify")); n != asked {
		t.Errorf("asked %d times while the breaker was open", n-asked)
	}
	if w.observed.count("jwtVerify unavailable") != 5 || w.observed.count("jwtVerify skipped") != 3 {
		t.Errorf("counted %v", w.observed.counts)
	}
	// Strangers are refused as always.
	w.refuses(t, keymgr.UnknownSender, "NOBODY", body, signature)
}

func TestARecoveredKeyManagerIsAskedAgain(t *testing.T) {
	w := newWorld(t).fresh(t, func(c *mosip.Config) { c.Pause = time.Millisecond })
	w.double.Misbehave("jwtVerify", mosiptest.Fails("KER-KMS-500"))
	for range 5 {
		_, err := w.verify(t.Context(), "PARTNER-A", body, w.signed(t))
		w.unknown(t, err)
	}
	w.double.Behave()
	deadline := time.Now().Add(10 * time.Second)
	for w.State() == "open" && time.Now().Before(deadline) {
	}
	w.accepts(t, body, w.signed(t))
	if w.State() != "closed" {
		t.Errorf("after a success the breaker is %s", w.State())
	}
}

// TestANoIsNoTrouble: refusals do not make the breaker believe the key manager is down, nor do messages too large for it;
// one partner must not be able to cut off the others.
func TestANoIsNoTrouble(t *testing.T) {
	w := newWorld(t)
	for _, answer := range []mosiptest.Twist{mosiptest.Fails("KER-JWS-105"), mosiptest.JSON(`{"response":{"signatureValid":false},"errors":null}`), mosiptest.Answer(413, "text/html", "")} {
		w.double.Misbehave("jwtVerify", answer)
		for range 10 {
			if _, err := w.verify(t.Context(), "PARTNER-A", body, w.signed(t)); err == nil {
				t.Fatal("accepted")
			}
		}
	}
	if w.State() != "closed" {
		t.Errorf("the breaker is %s", w.State())
	}
}
