package handlers_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"spar/migrations/dbtest"
)

// TestClientsThatOnlySendSeeThatTheirBodyIsTooLarge: many libraries write the whole body before they read anything.
func TestClientsThatOnlySendSeeThatTheirBodyIsTooLarge(t *testing.T) {
	const size = 24 << 20
	api := newPartnerAPI(t, dbtest.SQLite(t))
	body := strings.Repeat(" ", size)
	for name, framing := range map[string]string{
		"stated":    fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, body),
		"in chunks": fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, body),
	} {
		t.Run(name, func(t *testing.T) {
			connection, err := net.Dial("tcp", api.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			if err := connection.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := fmt.Fprintf(connection, "POST /mapper/sync/link HTTP/1.1\r\nHost: spar\r\nContent-Type: application/json\r\nSignature: a..b\r\n%s", framing); err != nil {
				t.Fatalf("the connection was closed while the body was sent: %v", err)
			}
			answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("answered %d, want 413", answer.StatusCode)
			}
		})
	}
}
