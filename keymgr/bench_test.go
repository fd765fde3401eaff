package keymgr_test

import (
	"fmt"
	"strings"
	"testing"

	"spar/keymgr"
)

// batch is a resolve request of about size bytes, spaced as Python's json module does.
func batch(size int) string {
	var b strings.Builder
	b.WriteString(`{"signature": "", "header": {"version": "1.0.0", "message_id": "1", "sender_id": "PARTNER-A", "total_count": 1}, "message": {"resolve_request": [`)
	for i := 0; b.Len() < size; i++ {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `{"reference_id": "%016d", "timestamp": "2026-11-24T10:00:00Z", "id": "token:%012d@nationalid", "scope": "details"}`, i, i)
	}
	b.WriteString(`]}}`)
	return b.String()
}

func BenchmarkVerify(b *testing.B) {
	h := newHouse(b)
	for _, size := range []int{1 << 10, 137 << 10, 250 << 10} {
		body := []byte(batch(size))
		canonical, err := keymgr.Canonical(body)
		must(b, err)
		for _, c := range []struct{ name, signature string }{
			{"raw", h.key.Detached(b, body)},
			{"canonical", h.key.Detached(b, canonical)},
		} {
			b.Run(fmt.Sprintf("%s/%dKB", c.name, size>>10), func(b *testing.B) {
				m := keymgr.Signed{Sender: "PARTNER-A", Signature: []string{c.signature}, Body: body}
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := h.Verify(b.Context(), m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRefuse is what a forged signature costs us.
func BenchmarkRefuse(b *testing.B) {
	h := newHouse(b)
	body := []byte(batch(137 << 10))
	for _, sender := range []string{"PARTNER-A", "PARTNER-B"} {
		b.Run(sender, func(b *testing.B) {
			m := keymgr.Signed{Sender: sender, Signature: []string{h.key.Detached(b, []byte("{}"))}, Body: body}
			for b.Loop() {
				if _, err := h.Verify(b.Context(), m); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

func BenchmarkCanonical(b *testing.B) {
	body := []byte(batch(137 << 10))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keymgr.Canonical(body); err != nil {
			b.Fatal(err)
		}
	}
}
