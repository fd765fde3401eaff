package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/internal/audit/audittest"
	"spar/internal/quota"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
)

// partnerAPI is the partner API of a test, with one partner that may do everything.
type partnerAPI struct {
	*httptest.Server
	db       *sqlx.DB
	register *keymgr.Register
	key      keytest.Key
	logs     *syncBuffer
	calls    *handlers.PartnerAPI
	ownKeys  *keymgr.OwnKeys
}

// testQuotas are large enough for every test but those about them.
func testQuotas(tb testing.TB, db *sqlx.DB) *quota.Quotas {
	tb.Helper()
	const plenty = 1 << 40
	q, err := quota.New(db, quota.Config{
		Single: quota.Rate{PerSecond: plenty, Burst: plenty}, Bulk: quota.Rate{PerSecond: plenty, Burst: plenty}, BulkFrom: 100, MissCost: 1,
	}, time.Now)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

const maxBatch = 50

func newPartnerAPI(t *testing.T, db *sqlx.DB, changes ...func(*mapper.Config)) *partnerAPI {
	t.Helper()
	gin.SetMode(gin.TestMode)
	api := &partnerAPI{db: db, register: keymgr.NewRegister(db, "openg2p-spar-mapper", audittest.New(t, db), time.Now), key: keytest.RSA(t, 1), logs: &syncBuffer{}}
	api.key.Onboard(t, api.register, "PARTNER-A", keymgr.Resolve, keymgr.Details, keymgr.Link, keymgr.Update, keymgr.Unlink)
	var err error
	if api.ownKeys, _, err = keymgr.OpenOwnKeys(t.TempDir(), time.Now); err != nil {
		t.Fatal(err)
	}
	engine := gin.New()
	service := mappertest.Service(t, db, changes...)
	api.calls = &handlers.PartnerAPI{
		Mapper: service, History: service, Holds: service, Signer: api.ownKeys, Quotas: testQuotas(t, db), Verifier: keymgr.NewLocal(api.register), Metrics: handlers.NewMetrics("test", db.DB),
		Log: slog.New(slog.NewJSONHandler(api.logs, nil)), SenderID: "openg2p-spar-mapper",
		MessageWindow: 5 * time.Minute, MaxBatch: maxBatch, Now: time.Now,
	}
	api.calls.Routes(engine)
	api.Server = httptest.NewServer(engine)
	t.Cleanup(api.Close)
	return api
}

var messages int

// message makes the body of a call; items are JSON objects without reference_id and timestamp.
func message(action, sender string, items ...string) []byte {
	messages++
	for i := range items {
		items[i] = fmt.Sprintf(`{"reference_id":"r%d","timestamp":"2026-03-06T09:32:48Z",%s`, i+1, strings.TrimPrefix(items[i], "{"))
	}
	return fmt.Appendf(nil, `{"signature":"","header":{"version":"1.0.0","message_id":"m%d","message_ts":"%s","action":"%s","sender_id":"%s","total_count":%d},`+
		`"message":{"transaction_id":"t%d","%s_request":[%s]}}`,
		messages, time.Now().UTC().Format(time.RFC3339), action, sender, len(items), messages, action, strings.Join(items, ","))
}

type response struct {
	status int
	header http.Header
	body   string
}

func (api *partnerAPI) post(t *testing.T, path string, body []byte, change ...func(*http.Request)) response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, api.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Signature", api.key.Detached(t, body))
	for _, f := range change {
		f(request)
	}
	answer, err := api.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) || answer.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s answered %d, %s: %s", path, answer.StatusCode, answer.Header.Get("Content-Type"), text)
	}
	got := response{answer.StatusCode, answer.Header, string(text)}
	checkDescribed(t, request, body, got)
	api.checkSigned(t, got)
	return got
}

// checkSigned: every answer, whatever it says, is signed by a published key.
func (api *partnerAPI) checkSigned(t *testing.T, got response) {
	t.Helper()
	content, err := api.ownKeys.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	published, err := keymgr.ParseJWKS(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := published.Verify(got.header.Values("Signature"), []byte(got.body)); err != nil {
		t.Errorf("answer %d %s: signature: %v", got.status, got.body, err)
	}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// items returns the parts of an answer's items that tests compare.
func (r response) items(t *testing.T) string {
	t.Helper()
	var answer struct {
		Header  struct{ Status, Action string }
		Message map[string]any
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || r.status != http.StatusOK {
		t.Fatalf("answer %d %s: %v", r.status, r.body, err)
	}
	text := answer.Header.Action + " " + answer.Header.Status
	list, _ := answer.Message[strings.TrimPrefix(answer.Header.Action, "on-")+"_response"].([]any)
	for _, item := range list {
		m := item.(map[string]any)
		text += fmt.Sprintf("\n%v %v %v %v %v", m["reference_id"], m["status"], m["status_reason_code"], m["id"], m["fa"])
	}
	return text
}

func (api *partnerAPI) links(t *testing.T) (n int) {
	t.Helper()
	if err := api.db.Get(&n, `SELECT COUNT(*) FROM links`); err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	person  = `"id":"token:555001@nationalid"`
	account = `"fa":"account:44332211@001.ALPHA.bank_acc"`
	moved   = `"fa":"mobile:+15550100123@GAMMA.mobile_wallet"`
)

func TestAPartnersCalls(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		api := newPartnerAPI(t, db)
		for _, test := range []struct {
			action string
			items  []string
			want   string
		}{
			{"link", []string{`{` + person + `,` + account + `}`, `{` + person + `,` + moved + `}`}, "on-link succ\nr1 succ <nil> token:555001@nationalid account:44332211@001.ALPHA.bank_acc\nr2 rjct rjct.reference_id.duplicate token:555001@nationalid mobile:+15550100123@GAMMA.mobile_wallet"},
			{"resolve", []string{`{` + person + `}`, `{` + person + `,"scope":"details"}`, `{` + account + `}`}, "on-resolve succ\nr1 succ succ.id.active token:555001@nationalid <nil>\nr2 succ succ.id.active token:555001@nationalid account:44332211@001.ALPHA.bank_acc\nr3 succ succ.fa.active <nil> <nil>"},
			{"update", []string{`{` + person + `,` + moved + `}`, `{` + person + `}`}, "on-update succ\nr1 succ <nil> token:555001@nationalid mobile:+15550100123@GAMMA.mobile_wallet\nr2 rjct rjct.fa.invalid token:555001@nationalid "},
			{"unlink", []string{`{` + person + `,` + account + `}`, `{` + person + `}`}, "on-unlink succ\nr1 rjct rjct.id.invalid token:555001@nationalid <nil>\nr2 succ <nil> token:555001@nationalid <nil>"},
			{"resolve", []string{`{` + person + `}`}, "on-resolve succ\nr1 succ succ.id.not_found token:555001@nationalid <nil>"},
			{"resolve", nil, "on-resolve succ"},
		} {
			if got := api.post(t, "/mapper/sync/"+test.action, message(test.action, "PARTNER-A", test.items...)).items(t); got != test.want {
				t.Errorf("%s answered\n%s\nwant\n%s", test.action, got, test.want)
			}
		}
	})
}

func TestARepeatedMessageChangesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		api := newPartnerAPI(t, db)
		body := message("unlink", "PARTNER-A", `{`+person+`}`)
		api.post(t, "/mapper/sync/unlink", body)
		api.post(t, "/mapper/sync/link", message("link", "PARTNER-A", `{`+person+`,`+account+`}`))
		got := api.post(t, "/mapper/sync/unlink", body)
		if got.items(t) != "on-unlink rjct" || !strings.Contains(got.body, `"rjct.message_id.duplicate"`) || api.links(t) != 1 {
			t.Errorf("the repeat was answered %s; %d links", got.body, api.links(t))
		}
	})
}

// TestCallsThatAreRefused: each is answered with its status and code, says nothing else, and changes nothing.
func TestCallsThatAreRefused(t *testing.T) {
	api := newPartnerAPI(t, dbtest.SQLite(t))
	reader := keytest.RSA(t, 2)
	reader.Onboard(t, api.register, "READER", keymgr.Resolve)
	detailer := keytest.RSA(t, 3)
	detailer.Onboard(t, api.register, "DETAILER", keymgr.Details)
	linkBody := func() []byte { return message("link", "PARTNER-A", `{`+person+`,`+account+`}`) }
	signed := func(key keytest.Key, body []byte) func(*http.Request) {
		return header("Signature", key.Detached(t, body))
	}
	none := func(*http.Request) {}
	type test struct {
		name   string
		path   string
		body   []byte
		change func(*http.Request)
		status int
		code   string
	}
	tests := []test{
		{"no signature", "link", linkBody(), func(r *http.Request) { r.Header.Del("Signature") }, 401, "err.signature.missing"},
		{"empty signature", "link", linkBody(), header("Signature", ""), 401, "err.signature.missing"},
		{"no token", "link", linkBody(), header("Signature", "nonsense"), 401, "err.signature.invalid"},
		{"no JSON", "link", []byte("id=1"), none, 400, "err.request.bad"},
		{"form", "link", linkBody(), header("Content-Type", "application/x-www-form-urlencoded"), 415, "err.request.bad"},
		{"no content type", "link", linkBody(), func(r *http.Request) { r.Header.Del("Content-Type") }, 415, "err.request.bad"},
		{"latin-1", "link", linkBody(), header("Content-Type", "application/json; charset=iso-8859-1"), 415, "err.request.bad"},
		{"two content types", "link", linkBody(), func(r *http.Request) { r.Header.Add("Content-Type", "text/plain") }, 415, "err.request.bad"},
		{"compressed, said second", "link", linkBody(), func(r *http.Request) {
			r.Header["Content-Encoding"] = []string{"identity", "gzip"}
		}, 415, "err.request.bad"},
		{"compressed", "link", linkBody(), header("Content-Encoding", "gzip"), 415, "err.request.bad"},
		{"too large", "link", bytes.Repeat([]byte(" "), 17<<20), header("Signature", "a..b"), 413, "err.request.bad"},
		{"too large, in chunks", "link", bytes.Repeat([]byte(" "), 17<<20), func(r *http.Request) {
			r.Header.Set("Signature", "a..b")
			r.ContentLength = -1
			r.Body = io.NopCloser(io.LimitReader(zeros{}, 17<<20))
		}, 413, "err.request.bad"},
	}
	add := func(name string, key keytest.Key, path string, body []byte, status int, code string) {
		tests = append(tests, test{name, path, body, signed(key, body), status, code})
	}
	add("duplicate names", api.key, "link", bytes.Replace(linkBody(), []byte(`"sender_id"`), []byte(`"sender_id":"PARTNER-A","sender_id"`), 1), 400, "err.request.bad")
	add("no transaction", api.key, "link", bytes.Replace(linkBody(), []byte(`transaction_id`), []byte(`transaction`), 1), 400, "err.request.bad")
	add("encrypted", api.key, "link", bytes.Replace(linkBody(), []byte(`"header":{`), []byte(`"header":{"is_msg_encrypted":true,`), 1), 400, "err.encryption.invalid")
	add("another's key", reader, "link", linkBody(), 401, "err.signature.invalid")
	add("unknown sender", api.key, "link", message("link", "NOBODY", `{`+person+`,`+account+`}`), 401, "err.signature.invalid")
	add("sender in another case", api.key, "link", message("link", "partner-a", `{`+person+`,`+account+`}`), 401, "err.signature.invalid")
	add("no sender", api.key, "link", bytes.Replace(linkBody(), []byte(`"sender_id":"PARTNER-A",`), nil, 1), 401, "err.signature.invalid")
	add("may not link", reader, "link", message("link", "READER", `{`+person+`,`+account+`}`), 403, "err.request.forbidden")
	add("may not see details", reader, "resolve", message("resolve", "READER", `{`+person+`}`, `{`+person+`,"scope":"details"}`), 403, "err.request.forbidden")
	add("may not ask yes or no", detailer, "resolve", message("resolve", "DETAILER", `{`+person+`}`, `{`+person+`,"scope":"details"}`), 403, "err.request.forbidden")
	tampered := linkBody()
	tests = append(tests, test{"tampered", "link", bytes.Replace(tampered, []byte("44332211"), []byte("44332212"), 1), signed(api.key, tampered), 401, "err.signature.invalid"})

	invalid := map[string]bool{}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := api.post(t, "/mapper/sync/"+test.path, test.body, test.change)
			if got.status != test.status || !strings.Contains(got.body, `{"errors":[{"code":"`+test.code+`","message":"`) {
				t.Errorf("answered %d %s, want %d %s", got.status, got.body, test.status, test.code)
			}
			if test.code == "err.signature.invalid" {
				invalid[got.body] = true
			}
			if n := api.links(t); n != 0 {
				t.Errorf("%d links were made", n)
			}
		})
	}
	if len(invalid) != 1 {
		t.Errorf("%d different answers tell refused senders apart: %v", len(invalid), invalid)
	}
	for _, reason := range []string{`"reason":"unknown_sender"`, `"reason":"tampered"`, `"reason":"malformed"`, `"reason":"signature_missing"`} {
		if !strings.Contains(api.logs.String(), reason) {
			t.Errorf("the log does not say %s", reason)
		}
	}
	for _, secret := range []string{"555001", "44332211"} {
		if strings.Contains(api.logs.String(), secret) {
			t.Errorf("the log contains %s", secret)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestFaultsOfTheHeader are answered in an HTTP 200, and the action is bound to the path.
func TestFaultsOfTheHeader(t *testing.T) {
	api := newPartnerAPI(t, dbtest.SQLite(t))
	many := make([]string, maxBatch+1)
	for i := range many {
		many[i] = `{` + person + `}`
	}
	for name, test := range map[string]struct {
		path string
		body []byte
		code string
	}{
		"another path": {"update", bytes.Replace(message("link", "PARTNER-A", `{`+person+`,`+account+`}`), []byte("link_request"), []byte("update_request"), 1), "rjct.action.not_supported"},
		"old":          {"resolve", bytes.Replace(message("resolve", "PARTNER-A"), []byte(`"message_ts":"2`), []byte(`"message_ts":"1`), 1), "rjct.message_ts.invalid"},
		"version":      {"resolve", bytes.Replace(message("resolve", "PARTNER-A"), []byte(`1.0.0`), []byte(`1.1.0`), 1), "rjct.version.invalid"},
		"count":        {"resolve", bytes.Replace(message("resolve", "PARTNER-A", `{`+person+`}`), []byte(`"total_count":1`), []byte(`"total_count":2`), 1), "rjct.total_count.invalid"},
		"too many":     {"resolve", message("resolve", "PARTNER-A", many...), "rjct.total_count.limit_exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			got := api.post(t, "/mapper/sync/"+test.path, test.body)
			if got.items(t) != "on-"+test.path+" rjct" || !strings.Contains(got.body, `"status_reason_code":"`+test.code+`"`) {
				t.Errorf("answered %s, want %s", got.body, test.code)
			}
		})
	}
}

func TestAMessageForAnotherReceiverIsRefusedWhereNamesAreConfigured(t *testing.T) {
	api := newPartnerAPI(t, dbtest.SQLite(t))
	to := func(receiver string) response {
		body := message("resolve", "PARTNER-A", `{`+person+`}`)
		return api.post(t, "/mapper/sync/resolve", bytes.Replace(body, []byte(`"action"`), []byte(`"receiver_id":"`+receiver+`","action"`), 1))
	}
	if got := to("another"); got.status != http.StatusOK {
		t.Errorf("without names: %d", got.status)
	}
	api.calls.ReceiverIDs = []string{"spar.example.org"}
	for receiver, want := range map[string]int{"spar.example.org": 200, "": 200, "another": 400} {
		if got := to(receiver); got.status != want || want == 400 && !strings.Contains(got.body, "err.receiver_id.invalid") {
			t.Errorf("receiver %q: %d %s, want %d", receiver, got.status, got.body, want)
		}
	}
}

func TestSuspensionAndRevocationEndACallersRights(t *testing.T) {
	api := newPartnerAPI(t, dbtest.SQLite(t))
	call := func() int {
		return api.post(t, "/mapper/sync/resolve", message("resolve", "PARTNER-A", `{`+person+`}`)).status
	}
	if got := call(); got != http.StatusOK {
		t.Fatalf("an active partner was answered %d", got)
	}
	if err := api.register.SetStatus(t.Context(), audittest.By, "PARTNER-A", keymgr.Suspended); err != nil {
		t.Fatal(err)
	}
	if got := call(); got != http.StatusUnauthorized {
		t.Errorf("a suspended partner was answered %d", got)
	}
	if err := api.register.SetStatus(t.Context(), audittest.By, "PARTNER-A", keymgr.Active); err != nil {
		t.Fatal(err)
	}
	if got := call(); got != http.StatusOK {
		t.Errorf("an active partner was answered %d", got)
	}
}

// TestOpensslAndCurl is a partner that has nothing but two common tools.
func TestOpensslAndCurl(t *testing.T) {
	api := newPartnerAPI(t, dbtest.SQLite(t))
	dir := t.TempDir()
	run := func(command string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "bash", "-ec", command)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
		return string(out)
	}
	run(`openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj "/CN=Bank B" -addext keyUsage=digitalSignature 2>&1`)
	certificate, err := os.ReadFile(filepath.Join(dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: "BANK-B", Name: "Bank B", Status: keymgr.Active, Permissions: []keymgr.Permission{keymgr.Link}}, certificate); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "body.json"), message("link", "BANK-B", `{`+person+`,`+account+`}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(`b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
		head=$(printf '{"alg":"RS256","typ":"JWT"}' | b64)
		sig=$(printf '%s.%s' "$head" "$(b64 < body.json)" | openssl dgst -sha256 -sign key.pem -binary | b64)
		curl -sS -H 'Content-Type: application/json' -H "Signature: $head..$sig" --data-binary @body.json ` + api.URL + `/mapper/sync/link`)
	if !strings.Contains(out, `"action":"on-link"`) || !strings.Contains(out, `"id":"token:555001@nationalid"`) || api.links(t) != 1 {
		t.Errorf("answered %s; %d links", out, api.links(t))
	}
}
