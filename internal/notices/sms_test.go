package notices_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"spar/internal/notices"
	"spar/migrations/dbtest"
)

func TestSMSRequest(t *testing.T) {
	message := notices.Message{ID: "0198", To: "+12025550106", Text: `Grüße "{secret}" & {number}`}
	for _, test := range []struct {
		name    string
		gateway notices.Gateway
		want    string
	}{
		{"JSON with a token", notices.Gateway{Auth: notices.AuthBearer, Secret: "s3", Fields: map[string]any{
			"from": "SPAR", "messages": []any{map[string]any{"to": "{number}", "text": "{text}", "flash": false}},
		}}, `POST application/json 0198 "Bearer s3" {"from":"SPAR","messages":[{"flash":false,"text":"Grüße \"{secret}\" \u0026 {number}","to":"+12025550106"}]}`},
		{"a form with a password", notices.Gateway{Auth: notices.AuthBasic, User: "u", Secret: "s3", Form: true, Fields: map[string]any{
			"To": "{digits}", "Body": "{text}", "Tag": 7,
		}}, `POST application/x-www-form-urlencoded 0198 "Basic dTpzMw==" Body=Gr%C3%BC%C3%9Fe+%22%7Bsecret%7D%22+%26+%7Bnumber%7D&Tag=7&To=12025550106`},
		{"a header of its own", notices.Gateway{Auth: notices.AuthHeader, Header: "Authorization", Secret: "App s3", Fields: map[string]any{"to": "{number}"}},
			`POST application/json 0198 "App s3" {"to":"+12025550106"}`},
		{"a secret among the fields", notices.Gateway{Auth: notices.AuthNone, Secret: "s3", Form: true, Fields: map[string]any{"key": "{secret}", "ref": "{id}"}},
			`POST application/x-www-form-urlencoded 0198 "" key=s3&ref=0198`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = strings.Join([]string{r.Method, r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key"), `"` + r.Header.Get("Authorization") + `"`, string(body)}, " ")
				w.WriteHeader(http.StatusAccepted)
			}))
			defer server.Close()
			test.gateway.URL = server.URL
			if err := test.gateway.Send(t.Context(), message); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What a gateway says about the message is final; what it says about us, or about itself, is not.
func TestSMSFailures(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no +12025550106", code) }
	}
	elsewhere := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere = true }))
	defer other.Close()
	release := make(chan struct{})
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		state   string
		failure string
	}{
		{"refused", status(400), notices.GivenUp, notices.FailRefused},
		{"not processable", status(422), notices.GivenUp, notices.FailRefused},
		{"login", status(401), notices.Queued, notices.FailSetup},
		{"forbidden", status(403), notices.Queued, notices.FailSetup},
		{"no credit", status(402), notices.Queued, notices.FailSetup},
		{"no such path", status(404), notices.Queued, notices.FailSetup},
		{"too many", status(429), notices.Queued, notices.FailBusy},
		{"broken", status(500), notices.Queued, notices.FailBusy},
		{"down", status(503), notices.Queued, notices.FailBusy},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
		}, notices.Queued, notices.FailSetup},
		{"breaks off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, notices.Queued, notices.FailConnect},
		{"slow", func(http.ResponseWriter, *http.Request) { <-release }, notices.Queued, notices.FailTimeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.handler)
			t.Cleanup(server.Close)
			sms := channel(notices.SMS, &notices.Gateway{URL: server.URL + "/send?key=marker", Auth: notices.AuthBearer, Secret: "marker"})
			if test.name == "slow" {
				sms.Timeout = 200 * time.Millisecond
				t.Cleanup(func() { close(release) })
			}
			w := newWorld(t, dbtest.SQLite(t), sms)
			do(t, w.registry.Link, self(), item(bank, "+12025550106", "en"))
			w.deliver(t)
			w.expectStates(t, "1 sms "+test.state+" "+test.failure)
			for _, secret := range []string{"2025550106", "marker"} {
				if strings.Contains(w.log.String(), secret) {
					t.Errorf("log %s", w.log)
				}
			}
		})
	}
	if elsewhere {
		t.Error("a redirect was followed")
	}
}

// A gateway that says when to come back is left alone until then.
func TestSMSRetryAfter(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.Header().Set("Retry-After", "1800")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	w := newWorld(t, dbtest.SQLite(t), channel(notices.SMS, &notices.Gateway{URL: server.URL, Auth: notices.AuthNone}))
	do(t, w.registry.Link, self(), item(bank, "+12025550106", "en"))
	for _, w.ahead = range []time.Duration{0, 10 * time.Minute, 29 * time.Minute, 31 * time.Minute} {
		w.deliver(t)
	}
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}
