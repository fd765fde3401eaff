package web

import (
	"net/netip"
	"sync"
	"time"
)

// maxCounted is how many clients are counted at most. More of them within one window are not what a limit for each helps
// against; those that come later are let through.
const maxCounted = 100_000

// ClientLimit counts what each client does within fixed windows of time, in memory: each replica has its own. A client is
// an IPv4 address or, as one customer has all of it, a /64 network of IPv6. A nil ClientLimit never refuses.
type ClientLimit struct {
	most   int
	window time.Duration
	now    func() time.Time

	mu     sync.Mutex
	ends   time.Time // of the current window
	counts map[netip.Prefix]int
}

// NewClientLimit allows each client to do something so many times in a window. now may be nil.
func NewClientLimit(most int, window time.Duration, now func() time.Time) *ClientLimit {
	if now == nil {
		now = time.Now
	}
	return &ClientLimit{most: most, window: window, now: now}
}

// Take counts once more, and reports whether that is still allowed and, if not, how long to wait.
func (l *ClientLimit) Take(ip netip.Addr) (wait time.Duration, ok bool) {
	if wait, ok = l.Left(ip); ok {
		l.Count(ip)
	}
	return wait, ok
}

// Left reports whether the client may do it again, and if not, how long to wait.
func (l *ClientLimit) Left(ip netip.Addr) (wait time.Duration, ok bool) {
	if l == nil {
		return 0, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.turn()
	return l.ends.Sub(now), l.counts[clientOf(ip)] < l.most
}

// Count counts once more.
func (l *ClientLimit) Count(ip netip.Addr) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn()
	client := clientOf(ip)
	if _, known := l.counts[client]; known || len(l.counts) < maxCounted {
		l.counts[client]++
	}
}

// turn begins a new window if the last one is over. The caller holds mu.
func (l *ClientLimit) turn() time.Time {
	now := l.now()
	if l.counts == nil || !now.Before(l.ends) {
		l.ends, l.counts = now.Add(l.window), map[netip.Prefix]int{}
	}
	return now
}

func clientOf(ip netip.Addr) netip.Prefix {
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	client, _ := ip.Prefix(bits) // an invalid address is a client as well: one that is not known
	return client
}
