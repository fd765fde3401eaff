package demo_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"spar/internal/demo"
)

// paste runs a command as if it had been pasted into bash.
func paste(t *testing.T, command string) string {
	t.Helper()
	bash := exec.CommandContext(t.Context(), "bash")
	bash.Stdin = strings.NewReader(command + "\n")
	var stdout, stderr bytes.Buffer
	bash.Stdout, bash.Stderr = &stdout, &stderr
	if err := bash.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("bash: %v\n%s", err, stderr.String())
	}
	return stdout.String()
}

func TestResolveCommandSignsWhatItSends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's a folder", "key.pem")
	key, err := demo.RSAKey(path)
	if err != nil {
		t.Fatal(err)
	}
	const id = "token:9902759143@nationalid"
	seen := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		checkSignature(t, &key.PublicKey, r.Header.Get("Signature"), body)
		var message struct {
			Header struct {
				MessageID string    `json:"message_id"`
				Time      time.Time `json:"message_ts"`
				Action    string    `json:"action"`
				Sender    string    `json:"sender_id"`
			} `json:"header"`
			Message struct {
				Items []struct{ ID, Scope string } `json:"resolve_request"`
			} `json:"message"`
		}
		if err := json.Unmarshal(body, &message); err != nil {
			t.Errorf("%v in %s", err, body)
		}
		h := message.Header
		if seen[h.MessageID] || len(h.MessageID) != 32 || time.Since(h.Time).Abs() > time.Minute || h.Action != "resolve" || h.Sender != demo.SampleBank {
			t.Errorf("header %+v", h)
		}
		seen[h.MessageID] = true
		if items := message.Message.Items; len(items) != 1 || items[0].ID != id || items[0].Scope != "details" {
			t.Errorf("items %+v", items)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/mapper/sync/resolve" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
		}
		_, _ = w.Write([]byte("answered"))
	}))
	t.Cleanup(server.Close)

	for range 2 {
		if got := paste(t, demo.ResolveCommand(server.URL+"/", path, id)); got != "answered\n" {
			t.Errorf("printed %q", got)
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d different messages", len(seen))
	}
}

func TestResolveCommandQuotesTheID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	if _, err := demo.RSAKey(path); err != nil {
		t.Fatal(err)
	}
	const id = `a"b'c$(echo no)\@x`
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var message struct {
			Message struct {
				Items []struct{ ID string } `json:"resolve_request"`
			} `json:"message"`
		}
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil || len(message.Message.Items) != 1 || message.Message.Items[0].ID != id {
			t.Errorf("%v: %+v", err, message)
		}
	}))
	t.Cleanup(server.Close)
	paste(t, demo.ResolveCommand(server.URL, path, id))
}

func checkSignature(t *testing.T, key *rsa.PublicKey, header string, body []byte) {
	t.Helper()
	if !regexp.MustCompile(`^[\w-]+\.\.[\w-]+$`).MatchString(header) {
		t.Fatalf("Signature is not a detached JWS: %q", header)
	}
	parts := strings.Split(header, ".")
	if protected, _ := base64.RawURLEncoding.DecodeString(parts[0]); string(protected) != `{"alg":"RS256","typ":"JWT"}` {
		t.Errorf("protected header %s", protected)
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + base64.RawURLEncoding.EncodeToString(body)))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature); err != nil {
		t.Errorf("signature: %v", err)
	}
}
