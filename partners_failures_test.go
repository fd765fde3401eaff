package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"spar/keymgr"
)

// liesAreFoundOut puts somebody between partner and registry, and wants every program to notice.
func liesAreFoundOut(t *testing.T, r *reader) {
	forger, _, err := keymgr.OpenOwnKeys(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	old, oldSignature := lastAnswer(t, r)
	if hasCommand(t, "javac") { // once, since a program that starts from its source is compiled each time
		if _, stderr, err := r.sh(t, r.registry, "javac Call.java"); err != nil {
			t.Fatal(stderr)
		}
	}
	for _, lie := range []struct {
		name, want string
		change     func(header http.Header, body []byte) []byte
	}{
		{"changed", "does not fit", func(_ http.Header, body []byte) []byte {
			return bytes.ReplaceAll(body, []byte("BANKC"), []byte("BANKD"))
		}},
		{"unsigned", "signature", func(header http.Header, body []byte) []byte {
			header.Del("Signature")
			return body
		}},
		{"forged", "unknown key", func(header http.Header, body []byte) []byte {
			signature, err := forger.Sign(body)
			if err != nil {
				t.Error(err)
			}
			header.Set("Signature", signature)
			return body
		}},
		{"repeated", "another call", func(header http.Header, body []byte) []byte {
			header.Set("Signature", oldSignature)
			return old
		}},
	} {
		liar := between(t, r.registry, lie.change)
		t.Run(lie.name, func(t *testing.T) {
			for name, command := range languages() {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					if !hasCommand(t, command) {
						return
					}
					_, resolve, _ := strings.Cut(r.commands(t, name)[0], "\n")
					resolve = strings.Replace(resolve, "java Call.java", "java Call", 1)
					if stdout, stderr, err := r.sh(t, liar, resolve); err == nil || !strings.Contains(stderr, lie.want) {
						t.Errorf("%v, want %q\n%s%s", err, lie.want, stdout, stderr)
					}
				})
			}
		})
	}
}

// lastAnswer makes a call in the shell, and returns what it left.
func lastAnswer(t *testing.T, r *reader) (body []byte, signature string) {
	t.Helper()
	_, resolve, _ := strings.Cut(r.commands(t, "Shell")[0], "\n")
	r.do(t, resolve)
	header := regexp.MustCompile(`(?m)^Signature: (\S+)`).FindStringSubmatch(r.read(t, "answer.headers"))
	if header == nil {
		t.Fatal("no signature in answer.headers")
	}
	return []byte(r.read(t, "answer.json")), header[1]
}

// between is a proxy that changes the answers to calls.
func between(t *testing.T, registry string, change func(http.Header, []byte) []byte) string {
	t.Helper()
	target, err := url.Parse(registry)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(response *http.Response) error {
			if response.Request.Method != http.MethodPost {
				return nil
			}
			body, err := io.ReadAll(response.Body)
			if err != nil {
				return err
			}
			body = change(response.Header, body)
			response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			response.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// callWithOtherKeys makes the changes that the guide's table lists, and calls with keys of the other kinds.
func callWithOtherKeys(t *testing.T, r *reader) {
	keys := r.commands(t, "Other keys")
	table := regexp.MustCompile("(?m)^\\| `(call\\.[a-z]+|Call\\.java)` \\| `([^|]+)` \\| `([^|]+)` \\| (?:`([^|]+)`)? *\\|$").
		FindAllStringSubmatch(readText(t, guideFile), -1)
	if len(keys) != 2 || len(table) < 5 {
		t.Fatalf("the guide has %d other keys and %d changes for them", len(keys), len(table))
	}
	for i, algorithm := range []string{"EdDSA", "ES256"} {
		other := *r
		other.dir = t.TempDir()
		other.do(t, keys[i])
		for _, b := range r.blocks {
			if b.file() != "" {
				other.write(t, b.file(), b.text, 0o600)
			}
		}
		supported := map[string]bool{}
		for _, row := range table {
			program, before, after := row[1], row[2], row[3+i]
			if after == "" {
				continue
			}
			text := other.read(t, program)
			if strings.Count(text, before) != 1 {
				t.Errorf("%s has not exactly one %s", program, before)
			}
			text = strings.ReplaceAll(strings.Replace(text, before, after, 1), "RS256", algorithm)
			other.write(t, program, text, 0o600)
			supported[program] = true
		}
		other.addTo(t, "BANK-"+strings.ToUpper(algorithm))
		t.Run(algorithm, func(t *testing.T) {
			for name, command := range languages() {
				_, resolve, _ := strings.Cut(r.commands(t, name)[0], "\n")
				if program := regexp.MustCompile(`[Cc]all\.[a-z]+`).FindString(resolve); !supported[program] {
					continue
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					if !hasCommand(t, command) {
						return
					}
					stdout, stderr, err := other.sh(t, r.registry, "PARTNER=BANK-"+strings.ToUpper(algorithm)+"\n"+resolve)
					if err != nil || !strings.Contains(stdout, "succ.id.active") {
						t.Errorf("%v\n%s%s", err, stdout, stderr)
					}
				})
			}
		})
	}
}

// addTo has the folder's certificate registered under another reference id.
func (r *reader) addTo(t *testing.T, reference string) {
	t.Helper()
	host := strings.Join(r.commands(t, "2. Send the certificate, compare the fingerprint")[1:], "")
	if stdout, stderr, err := r.sh(t, r.registry, strings.ReplaceAll(host, "BANK-C", reference)); err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if !r.becomes(t, http.StatusOK, "key.pem", reference) {
		t.Fatalf("%s is not accepted after five seconds", reference)
	}
}

// failuresAreInTheGuide provokes failures of whole calls, and looks each up.
func failuresAreInTheGuide(t *testing.T, r *reader) {
	guide := readText(t, guideFile)
	set := func(name, value string) func(*http.Request) {
		return func(request *http.Request) { request.Header.Set(name, value) }
	}
	body := func() string { return signedResolve("BANK-C") }
	for _, test := range []struct {
		name, body string
		change     func(*http.Request)
		status     int
	}{
		{"not JSON", `{"header":`, nil, http.StatusBadRequest},
		{"no message", `{"header":{"sender_id":"BANK-C","message_id":"1"}}`, nil, http.StatusBadRequest},
		{"encrypted", strings.Replace(body(), `"version"`, `"is_msg_encrypted":true,"version"`, 1), nil, http.StatusBadRequest},
		{"no signature", body(), func(q *http.Request) { q.Header.Del("Signature") }, http.StatusUnauthorized},
		{"another sender", signedResolve("BANK-D"), nil, http.StatusUnauthorized},
		{"a line feed", body(), func(q *http.Request) { replaceBody(q, body()+"\n") }, http.StatusUnauthorized},
		{"wrong path", body(), func(q *http.Request) { q.URL.Path = "/mapper/sync/resolv" }, http.StatusNotFound},
		{"wrong method", body(), func(q *http.Request) { q.Method = http.MethodPut }, http.StatusMethodNotAllowed},
		{"too large", body(), func(q *http.Request) { replaceBody(q, strings.Repeat(" ", 17<<20)) }, http.StatusRequestEntityTooLarge},
		{"media type", body(), set("Content-Type", "text/plain"), http.StatusUnsupportedMediaType},
		{"another host", body(), func(q *http.Request) { q.Host = "registry.example.org" }, http.StatusMisdirectedRequest},
		{"large headers", body(), set("Signature", strings.Repeat("A", 80<<10)), http.StatusRequestHeaderFieldsTooLarge},
	} {
		status, code := r.post(t, test.body, "key.pem", test.change)
		row := fmt.Sprintf("\n| %d | `%s` |", status, code)
		if code == "" { // not from the API
			row = fmt.Sprintf("\n| %d |", status)
		}
		if status != test.status || !strings.Contains(guide, row) {
			t.Errorf("%s: %d %s, want %d; has the guide the row %q?", test.name, status, code, test.status, row)
		}
	}
}

func replaceBody(request *http.Request, body string) {
	request.Body, request.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
}

// rotateByTheGuide changes the key without a gap, and has the old one revoked.
func rotateByTheGuide(t *testing.T, r *reader) {
	steps := r.commands(t, "7. Change the key, or stop it")
	printed, _ := r.do(t, steps[0])
	_, fingerprint, _ := strings.Cut(strings.TrimSpace(printed), "=")
	if host, _ := r.do(t, steps[1]); len(fingerprint) != 95 || !strings.Contains(host, fingerprint) {
		t.Errorf("the partner sees the fingerprint %s, the host:\n%s", fingerprint, host)
	}
	if !r.becomes(t, http.StatusOK, "key-2.pem", "BANK-C") {
		t.Fatal("the new key is not accepted after five seconds")
	}
	if status, _ := r.post(t, signedResolve("BANK-C"), "key.pem", nil); status != http.StatusOK {
		t.Errorf("the old key, beside the new one: %d", status)
	}
	r.do(t, steps[2])
	r.do(t, steps[3])
	if !r.becomes(t, http.StatusUnauthorized, "key-1.pem", "BANK-C") {
		t.Error("the revoked key is accepted after five seconds")
	}
	if status, _ := r.post(t, signedResolve("BANK-C"), "key.pem", nil); status != http.StatusOK {
		t.Errorf("the new key, after the old one was revoked: %d", status)
	}
}

func TestTheGuideKnowsEveryCode(t *testing.T) {
	const code = `(?:rjct|succ|err)\.[a-z_]+(?:\.[a-z_]+)*`
	var used []string
	for _, path := range []string{"mapper/codes.go", "mapper/wire/header.go", "handlers/partner_errors.go"} {
		used = append(used, matches(`"(`+code+`)"`, readText(t, path))...)
	}
	sameSet(t, guideFile, "code", used, matches("`("+code+")`", readText(t, guideFile)))
}
