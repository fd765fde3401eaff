package web_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"spar/web"
)

func TestClientLimit(t *testing.T) {
	c := newClock()
	limit := web.NewClientLimit(2, time.Minute, c.Now)
	take := func(address string, want bool) {
		t.Helper()
		var ip netip.Addr
		if address != "" {
			ip = netip.MustParseAddr(address)
		}
		if wait, ok := limit.Take(ip); ok != want || !ok && (wait <= 0 || wait > time.Minute) {
			t.Errorf("%q: %v, %v, want %v", address, wait, ok, want)
		}
	}
	for _, address := range []string{"192.0.2.1", "", "2001:db8:0:1::1"} {
		take(address, true)
		take(address, true)
		take(address, false)
	}
	take("192.0.2.2", true)
	take("2001:db8:0:1:ffff::9", false) // the same network
	take("2001:db8:0:2::1", true)
	c.Advance(59 * time.Second)
	take("192.0.2.1", false)
	c.Advance(time.Second)
	take("192.0.2.1", true)
	var none *web.ClientLimit
	none.Count(netip.MustParseAddr("192.0.2.1"))
	if _, ok := none.Take(netip.MustParseAddr("192.0.2.1")); !ok {
		t.Error("no limit limits")
	}
}

// However many clients there are, the memory for them is bounded, and those that are counted stay so.
func TestClientLimitIsBounded(t *testing.T) {
	limit := web.NewClientLimit(1, time.Minute, newClock().Now)
	address := func(i int) netip.Addr {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], uint32(i))
		return netip.AddrFrom4(ip)
	}
	counted := 0
	for i := range 150_000 {
		limit.Take(address(i))
	}
	for i := range 150_000 {
		if _, ok := limit.Left(address(i)); !ok {
			counted++
		}
	}
	if counted != 100_000 {
		t.Errorf("%d clients are counted", counted)
	}
}
