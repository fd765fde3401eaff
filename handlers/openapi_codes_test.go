package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"spar/migrations/dbtest"
)

// codes of an enumeration in the document.
func codes(t *testing.T, document *openapi3.T, schema string) map[string]bool {
	t.Helper()
	ref := document.Components.Schemas[schema]
	if ref == nil || len(ref.Value.OneOf) == 0 {
		t.Fatalf("openapi.yaml has no enumeration %s", schema)
	}
	list := map[string]bool{}
	for _, one := range ref.Value.OneOf {
		list[one.Value.Const.(string)] = true
	}
	return list
}

// collect notes the codes of an answer's items, and of its header.
func (r response) collect(t *testing.T, items, headers map[string]bool) {
	t.Helper()
	type coded struct {
		Code string `json:"status_reason_code"`
	}
	var answer struct {
		Header  coded
		Message map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Header.Code != "" {
		headers[answer.Header.Code] = true
	}
	for _, member := range answer.Message {
		var list []coded
		_ = json.Unmarshal(member, &list) // the others are texts
		for _, item := range list {
			if item.Code != "" {
				items[item.Code] = true
			}
		}
	}
}

// TestTheDocumentedCodesAreThoseThatAreAnswered provokes every code of every call. What is answered and not documented
// fails in post; what is documented and never answered fails here.
func TestTheDocumentedCodesAreThoseThatAreAnswered(t *testing.T) {
	document, err := servedDocument()
	if err != nil {
		t.Fatal(err)
	}
	api := newPartnerAPI(t, dbtest.SQLite(t))
	answered := map[string]map[string]bool{"link": {}, "update": {}, "unlink": {}, "resolve": {}}
	headers := map[string]bool{}
	send := func(action, old, new string, items ...string) {
		t.Helper()
		body := message(action, "PARTNER-A", items...)
		if old != "" && !bytes.Contains(body, []byte(old)) {
			t.Fatalf("%s is not in %s", old, body)
		}
		body = bytes.Replace(body, []byte(old), []byte(new), 1)
		api.post(t, "/mapper/sync/"+action, body).collect(t, answered[action], headers)
	}
	const (
		timestamp = `"timestamp":"2026-03-06T09:32:48Z",`
		both      = person + `,` + account
		stranger  = `"id":"token:555999@nationalid"`
		list      = `,"additional_info":[1]`
	)
	for action := range answered {
		send(action, `"reference_id":"r1",`, ``, `{`+both+`}`)
		send(action, `"reference_id":"r2",`, `"reference_id":"r1",`, `{`+stranger+`}`, `{`+both+`}`)
		send(action, timestamp, ``, `{`+both+`}`)
		send(action, `token:555001@nationalid`, `no ID`, `{`+both+`}`)
	}
	for _, action := range []string{"link", "update"} {
		send(action, account, `"fa":"nothing"`, `{`+both+`}`)
		send(action, account, account+`,"name":1`, `{`+both+`}`)
		send(action, account, account+`,"phone_number":"call me"`, `{`+both+`}`)
		send(action, account, account+list, `{`+both+`}`)
	}
	send("link", "", "", `{`+both+`,"name":"Asha","phone_number":"+15550100123","locale":"eng","additional_info":[{"name":"n","value":{"k":1.5}}]}`, `{`+both+`}`)
	send("update", "", "", `{`+stranger+`,`+account+`}`)
	send("unlink", "", "", `{`+person+`,"fa":""}`, `{`+person+list+`}`)
	send("resolve", "", "", `{`+person+`,"scope":"all"}`, `{"fa":"é"}`, `{`+stranger+`}`, `{`+moved+`}`, `{`+person+`,`+moved+`}`,
		`{`+both+`,"scope":"details"}`, `{`+account+`,"scope":"details"}`)
	if _, err := api.db.ExecContext(t.Context(), `UPDATE links SET status = 'inactive'`); err != nil {
		t.Fatal(err)
	}
	send("resolve", "", "", `{`+person+`,"scope":"details"}`, `{`+account+`}`)

	send("resolve", `1.0.0`, `2.0.0`)
	send("resolve", `"message_ts":"2`, `"message_ts":"1`)
	send("resolve", `"action":"resolve"`, `"action":"link"`)
	send("resolve", `"total_count":0`, `"total_count":1`)
	send("resolve", "", "", slices.Repeat([]string{`{` + person + `}`}, maxBatch+1)...)
	again := message("resolve", "PARTNER-A")
	for range 2 {
		api.post(t, "/mapper/sync/resolve", again).collect(t, answered["resolve"], headers)
	}

	for action, schema := range map[string]string{"link": "LinkCode", "update": "UpdateCode", "unlink": "UnlinkCode", "resolve": "ResolveCode"} {
		compareCodes(t, action, codes(t, document, schema), answered[action])
	}
	compareCodes(t, "header", codes(t, document, "HeaderCode"), headers)
}

func compareCodes(t *testing.T, what string, documented, answered map[string]bool) {
	t.Helper()
	if maps.Equal(documented, answered) {
		return
	}
	for code := range documented {
		if !answered[code] {
			t.Errorf("%s: %s is documented and was never answered", what, code)
		}
	}
	for code := range answered {
		if !documented[code] {
			t.Errorf("%s: %s was answered and is not documented", what, code)
		}
	}
}

// TestFaultsOfOurOwnAreDescribed: a database that is gone, one that does not answer in time, and another method than POST.
func TestFaultsOfOurOwnAreDescribed(t *testing.T) {
	db := dbtest.SQLite(t)
	api := newPartnerAPI(t, db)
	engine := api.Config.Handler.(*gin.Engine)
	engine.HandleMethodNotAllowed = true
	engine.NoMethod(api.calls.NoMethod)
	call := func(ctx context.Context, method string, wantStatus int, wantCode string) {
		t.Helper()
		body := message("link", "PARTNER-A", `{`+person+`,`+account+`}`)
		request := httptest.NewRequest(method, "/mapper/sync/link", bytes.NewReader(body)).WithContext(ctx)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Signature", api.key.Detached(t, body))
		recorder := httptest.NewRecorder()
		engine.ServeHTTP(recorder, request)
		got := response{recorder.Code, recorder.Header(), recorder.Body.String()}
		request.Method = http.MethodPost // where the answer to the other methods is described
		checkDescribed(t, request, body, got)
		if got.status != wantStatus || !strings.Contains(got.body, wantCode) {
			t.Errorf("answered %d %s, want %d %s", got.status, got.body, wantStatus, wantCode)
		}
	}
	late, cancel := context.WithCancel(t.Context())
	cancel()
	call(t.Context(), http.MethodPut, http.StatusMethodNotAllowed, "err.request.bad")
	call(late, http.MethodPost, http.StatusServiceUnavailable, "err.service.unavailable")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	call(t.Context(), http.MethodPost, http.StatusInternalServerError, "err.service.unavailable")
}
