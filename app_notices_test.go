package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"spar/mapper"
	"spar/mapper/mappertest"
)

// The demonstration delivers its messages for real, to a page that a visitor can look at.
func TestDemoTellsPeopleOfChanges(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	d, err := demoCommand{Dir: dir, Listen: "127.0.0.1:0", OpsListen: "127.0.0.1:0", Provider: "127.0.0.1:0"}.start(ctx, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	by := mappertest.By("PARTNER-A")
	results, err := d.app.service.Link(ctx, by, []mapper.Item{
		mappertest.Item("1", "token:9909582614@nationalid", "email:maria.dangelo@example.org@POSTPAY.email_wallet"),
		mappertest.Item("2", "token:9904628175@nationalid", "mobile:+12025550104@KITOPAY.mobile_wallet"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		link := d.app.cfg.BaseURL + "/account/history/" + r.ChangeID + "/not-me"
		waitFor(t, func() bool { return strings.Contains(get(t, d.provider.InboxURL()), `href="`+link+`"`) })
	}
	inbox := get(t, d.provider.InboxURL())
	for _, want := range []string{"E-mail to maria.dangelo@example.org", "Text message to +12025550104", "Sample Bank A"} {
		if !strings.Contains(inbox, want) {
			t.Errorf("the inbox lacks %q: %s", want, inbox)
		}
	}
	metrics := get(t, "http://"+d.app.listeners.ops.Addr().String()+"/metrics")
	for _, want := range []string{`spar_notices_total{channel="email",outcome="given_up"} 0`, `spar_notices_queued{channel="sms"} `} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.After(30 * time.Second); !done(); {
		select {
		case <-ticks.C:
		case <-deadline:
			t.Fatal("it did not come to pass")
		}
	}
}
