package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/migrations/dbtest"
)

// running is a registry that serves on free ports, and can be told to stop as by SIGTERM.
type running struct {
	t     *testing.T
	cfg   Config
	app   *app
	stop  context.CancelFunc
	ended chan error
	log   *logBuffer
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func testConfig(t *testing.T, databaseURL string) Config {
	t.Helper()
	cfg := defaultConfig()
	cfg.Listen, cfg.OpsListen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Database.URL = databaseURL
	cfg.Keys.Dir = filepath.Join(t.TempDir(), "keys")
	return cfg
}

// newTestApp builds the app as serve does, on free ports.
func newTestApp(t *testing.T, cfg Config, log io.Writer) (*app, error) {
	t.Helper()
	l, err := listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.BaseURL = localURL(l.public.Addr())
	return newApp(t.Context(), cfg, l, newLogger(log, "info"))
}

func start(t *testing.T, cfg Config) *running {
	t.Helper()
	r := &running{t: t, ended: make(chan error, 1), log: &logBuffer{}}
	var err error
	if r.app, err = newTestApp(t, cfg, r.log); err != nil {
		t.Fatal(err)
	}
	r.cfg = r.app.cfg
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = stop
	go func() { r.ended <- r.app.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-r.ended; err != nil {
			t.Error(err)
		}
		close(r.ended)
	})
	return r
}

// end stops the server as SIGTERM does and waits for it.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	err := <-r.ended
	r.ended <- err
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *running) get(base, path string) (status int, body string) {
	r.t.Helper()
	response, err := http.Get(base + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func (r *running) ops() string { return localURL(r.app.listeners.ops.Addr()) }

// eachConfig runs a test on an empty database of each kind.
func eachConfig(t *testing.T, test func(t *testing.T, cfg Config)) {
	t.Chdir(t.TempDir()) // no spar.yaml
	t.Run("sqlite", func(t *testing.T) { test(t, testConfig(t, dbtest.SQLiteURL(t))) })
	if dbtest.HasPostgreSQL(t) {
		t.Run("postgres", func(t *testing.T) { test(t, testConfig(t, dbtest.PostgreSQLURL(t))) })
	}
}

func TestServeFromAnEmptyDatabase(t *testing.T) {
	certificate, key := openssl(t, "Bank A")
	eachConfig(t, func(t *testing.T, cfg Config) {
		r := start(t, cfg)
		if status, body := r.get(r.ops(), "/readyz"); status != http.StatusOK {
			t.Errorf("/readyz = %d %s", status, body)
		}
		if status, body := r.get(r.cfg.BaseURL, "/"); status != http.StatusOK || !strings.Contains(body, "<h1>") {
			t.Errorf("/ = %d %s", status, body)
		}
		for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
			if status, _ := r.get(r.cfg.BaseURL, path); status != http.StatusNotFound {
				t.Errorf("%s on the public listener = %d, want 404", path, status)
			}
		}

		body := signedResolve("PARTNER-A")
		if status, answer := r.post(key, body); status != http.StatusUnauthorized {
			t.Errorf("before onboarding: %d %s", status, answer)
		}
		environ := []string{"SPAR_DATABASE__URL=" + cfg.Database.URL, "SPAR_KEYS__DIR=" + cfg.Keys.Dir}
		code, _, stderr := command(t, "", environ, "partner", "add", "PARTNER-A", "--certificate", certificate, "--permit", "resolve")
		if code != 0 {
			t.Fatalf("partner add beside a running server: %s", stderr)
		}
		// The server notices within its cache's time, which is part of the contract: five seconds.
		deadline := time.Now().Add(5 * time.Second)
		status, answer := 0, ""
		for status != http.StatusOK && time.Now().Before(deadline) {
			status, answer = r.post(key, signedResolve("PARTNER-A"))
		}
		if status != http.StatusOK || !strings.Contains(answer, "succ.id.not_found") {
			t.Errorf("resolve of a partner onboarded meanwhile: %d %s", status, answer)
		}
		_, metrics := r.get(r.ops(), "/metrics")
		for _, line := range []string{
			`spar_mapper_items_total{action="resolve",code="succ.id.not_found",status="succ"} 1`,
			`spar_http_requests_total{method="POST",route="/mapper/sync/resolve",status="2xx"} 1`,
			`spar_partner_certificate_expiry_days{partner="PARTNER-A"} 29.9`,
		} {
			if !strings.Contains(metrics, line) {
				t.Errorf("the metrics lack %s", line)
			}
		}
		r.end()
		for _, secret := range []string{"9900112233", "fa@example"} {
			if strings.Contains(r.log.String(), secret) {
				t.Errorf("the log contains %s", secret)
			}
		}
	})
}

func signedResolve(sender string) string {
	now := time.Now().UTC()
	return fmt.Sprintf(`{"signature":"","header":{"version":"1.0.0","message_id":"%d","message_ts":%q,"action":"resolve","sender_id":%q,"total_count":1},`+
		`"message":{"transaction_id":"t","resolve_request":[{"reference_id":"1","timestamp":%[2]q,"id":"token:9900112233@nationalid"}]}}`,
		now.UnixNano(), now.Format(time.RFC3339Nano), sender)
}

// post sends a resolve signed by spar sign.
func (r *running) post(keyFile, body string) (status int, answer string) {
	r.t.Helper()
	code, signature, stderr := command(r.t, body, nil, "sign", "--key", keyFile)
	if code != 0 {
		r.t.Fatal(stderr)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.cfg.BaseURL+"/mapper/sync/resolve", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Signature", strings.TrimSpace(signature))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

func TestARequestUnderWayIsAnsweredAtShutdown(t *testing.T) {
	r := start(t, testConfig(t, dbtest.SQLiteURL(t)))
	address := r.app.listeners.public.Addr().String()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const body = `{"signature":""}`
	// Expect makes the server say when the handler has begun to read.
	fmt.Fprintf(conn, "POST /mapper/sync/resolve HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nSignature: a..b\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", address, len(body))
	reader := bufio.NewReader(conn)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("server said %q, %v", line, err)
	}
	r.stop()
	// The ops listener goes last and tells that the process is draining.
	for status := 0; status != http.StatusServiceUnavailable; status, _ = r.get(r.ops(), "/readyz") {
		if t.Context().Err() != nil {
			t.Fatal("never draining")
		}
	}
	fmt.Fprint(conn, body)
	if _, err := reader.ReadString('\n'); err != nil { // the empty line after 100 Continue
		t.Fatal(err)
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("the request under way was lost: %v", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", response.StatusCode)
	}
	r.end()
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("still listening after the end")
	}
}

func TestALostKeyStopsTheStart(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg Config) {
		first := start(t, cfg)
		if !strings.Contains(first.log.String(), "back them up") {
			t.Error("new keys were made without a word")
		}
		first.end()
		second := start(t, cfg)
		if strings.Contains(second.log.String(), "back them up") {
			t.Error("the second start made keys")
		}
		second.end()
		entries, err := os.ReadDir(cfg.Keys.Dir)
		if err != nil || len(entries) < 4 {
			t.Fatalf("keys: %v, %v", entries, err)
		}
		for _, entry := range entries {
			path := filepath.Join(cfg.Keys.Dir, entry.Name())
			if err := os.Rename(path, path+".lost"); err != nil {
				t.Fatal(err)
			}
			if _, err := newTestApp(t, cfg, io.Discard); err == nil || !strings.Contains(err.Error(), "restore it from the backup") {
				t.Errorf("start without %s: error %v", entry.Name(), err)
			}
			if err := os.Rename(path+".lost", path); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestTwoServersOnOneDatabase(t *testing.T) {
	if !dbtest.HasPostgreSQL(t) {
		return
	}
	cfg := testConfig(t, dbtest.PostgreSQLURL(t))
	first, second := start(t, cfg), start(t, cfg)
	for _, r := range []*running{first, second} {
		if status, body := r.get(r.ops(), "/readyz"); status != http.StatusOK {
			t.Errorf("/readyz = %d %s", status, body)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := taken.Addr().String()
	for _, test := range []struct {
		name    string
		environ []string
		want    string
	}{
		{"a port in use", []string{"SPAR_LISTEN=" + busy, "SPAR_OPS_LISTEN=127.0.0.1:0"}, "listen: " + busy + " is in use"},
		{"an ops port in use", []string{"SPAR_LISTEN=127.0.0.1:0", "SPAR_OPS_LISTEN=" + busy}, "ops_listen: " + busy + " is in use"},
		{"no base URL", []string{"SPAR_BASE_URL="}, "base_url: expected"},
		{"plain HTTP for everybody", []string{"SPAR_LISTEN=0.0.0.0:0"}, "listen: expected a loopback address"},
		{"a directory for a database", []string{"SPAR_LISTEN=127.0.0.1:0", "SPAR_OPS_LISTEN=127.0.0.1:0", "SPAR_DATABASE__URL=sqlite://" + t.TempDir()}, "database"},
	} {
		t.Run(test.name, func(t *testing.T) {
			environ := append([]string{
				"SPAR_BASE_URL=http://localhost:8080", "SPAR_DATABASE__URL=" + dbtest.SQLiteURL(t), "SPAR_KEYS__DIR=" + t.TempDir(),
			}, test.environ...)
			code, _, stderr := command(t, "", environ, "serve")
			if code != 1 || !strings.Contains(stderr, test.want) {
				t.Errorf("status %d, stderr %q; want 1 and %q", code, stderr, test.want)
			}
		})
	}
}

func TestDemoKeepsItsDataAndStaysOnLoopback(t *testing.T) {
	for _, flag := range []string{"--listen", "--ops-listen", "--provider-listen"} {
		for _, address := range []string{"0.0.0.0:0", ":8080", "192.0.2.1:80", "8080"} {
			code, _, stderr := command(t, "", nil, "demo", "--dir", t.TempDir(), flag, address)
			if code != 2 || !strings.Contains(stderr, flag) || !strings.Contains(stderr, "loopback") {
				t.Errorf("%s %s: status %d, stderr %q", flag, address, code, stderr)
			}
		}
	}
	dir := t.TempDir()
	demo := demoCommand{Dir: dir, Listen: "127.0.0.1:0", OpsListen: "127.0.0.1:0", Provider: "127.0.0.1:0"}
	for _, name := range []string{"first start", "second start"} {
		ctx, stop := context.WithCancel(t.Context())
		d, err := demo.start(ctx, dir, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if name == "first start" {
			if err := d.app.register.SetStatus(ctx, audittest.By, "PARTNER-A", keymgr.Suspended); err != nil {
				t.Fatal(err)
			}
		}
		p, err := d.app.register.Get(ctx, "PARTNER-A")
		if err != nil || p.Status != keymgr.Suspended || len(p.Certificates) != 1 {
			t.Errorf("%s: partner %+v, %v: what was changed did not stay", name, p, err)
		}
		stop()
		if err := d.run(ctx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDemoCommandTellsWhereEverythingIs(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	read, write := io.Pipe()
	ended := make(chan int, 1)
	dir := t.TempDir()
	go func() {
		defer write.Close()
		ended <- run(ctx, []string{"demo", "--dir", dir, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--provider-listen", "127.0.0.1:0"},
			nil, strings.NewReader(""), write, write)
	}()
	out := ""
	for lines := bufio.NewScanner(read); !strings.Contains(out, "Stop with Ctrl-C"); {
		if !lines.Scan() {
			t.Fatalf("ended with %d: %s", <-ended, out)
		}
		out += lines.Text() + "\n"
	}
	for _, part := range []string{"http://127.0.0.1:", dir, "curl"} {
		if !strings.Contains(out, part) {
			t.Errorf("the banner lacks %q:\n%s", part, out)
		}
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("status %d", code)
	}
	if content, err := os.ReadFile(filepath.Join(dir, "spar.log")); err != nil || !bytes.Contains(content, []byte(`"msg":"serving"`)) {
		t.Errorf("spar.log: %s, %v", content, err)
	}
}
