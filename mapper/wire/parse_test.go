package wire_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"spar/mapper"
	"spar/mapper/wire"
)

const linkBody = `{
  "signature": "",
  "header": {"version": "1.0.0", "message_id": "m1", "message_ts": "2026-03-06T09:32:48Z", "action": "link",
             "sender_id": "PARTNER-A", "total_count": 1, "is_msg_encrypted": false, "meta": {"a": [1, {"b": null}]}},
  "message": {"transaction_id": "t1", "link_request": [
    {"reference_id": "r1", "timestamp": "2026-03-06T09:32:48Z", "id": "token:1@nationalid", "fa": "account:1@2.3.bank_acc",
     "name": "Jos\u00e9 \"Pepe\"", "phone_number": "+15550100123", "locale": "eng",
     "additional_info": [{"name": "YOB", "value" : 1980}, {"value": {"k": [true]}, "name": "o"}], "future": {"x": 1.5}}
  ]}
}`

func TestParseReadsALink(t *testing.T) {
	got, err := wire.Parse(mapper.Link, []byte(linkBody), 10)
	if err != nil {
		t.Fatal(err)
	}
	want := &wire.Request{
		Action: mapper.Link, TransactionID: "t1", Count: 1,
		Header: wire.Header{
			Version: mapper.String("1.0.0"), MessageID: "m1", MessageTS: mapper.String("2026-03-06T09:32:48Z"),
			Action: mapper.String("link"), SenderID: "PARTNER-A", TotalCount: 1,
		},
		Items: []mapper.Item{{
			ReferenceID: mapper.String("r1"), Timestamp: mapper.String("2026-03-06T09:32:48Z"), ID: mapper.String("token:1@nationalid"),
			FA: mapper.String("account:1@2.3.bank_acc"), Name: mapper.String(`José "Pepe"`), Phone: mapper.String("+15550100123"), Locale: mapper.String("eng"),
			AdditionalInfo: []mapper.Attribute{{Name: "YOB", Value: []byte("1980")}, {Name: "o", Value: []byte(`{"k": [true]}`)}},
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
}

func TestParseRefusesWhatIsNotStrictJSON(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(linkBody, old, new, 1) }
	for name, body := range map[string]string{
		"nothing":                 "",
		"not an object":           `[]`,
		"a string":                `"x"`,
		"half an object":          linkBody[:100],
		"something behind it":     linkBody + "{}",
		"a byte order mark":       "\ufeff" + linkBody,
		"duplicate envelope":      replace(`"signature": "",`, `"signature": "", "signature": "",`),
		"duplicate sender":        replace(`"sender_id": "PARTNER-A"`, `"sender_id": "PARTNER-A", "sender_id": "B"`),
		"duplicate by escape":     replace(`"sender_id": "PARTNER-A"`, `"sender_id": "PARTNER-A", "sender\u005fid": "B"`),
		"duplicate in an item":    replace(`"fa": "account`, `"fa": "x", "fa": "account`),
		"duplicate in unknown":    replace(`{"x": 1.5}`, `{"x": 1.5, "x": 2}`),
		"invalid UTF-8":           replace("PARTNER-A", "PARTNER-\xff"),
		"lone surrogate":          replace("PARTNER-A", `PARTNER-\ud800`),
		"NaN":                     replace("1.5", "NaN"),
		"integer over 64 bits":    replace("1.5", "18446744073709551616"),
		"float beyond a double":   replace("1.5", "1e999"),
		"leading zero":            replace("1.5", "01"),
		"nested too deep":         replace("1.5", strings.Repeat("[", 40)+strings.Repeat("]", 40)),
		"very deep":               strings.Repeat("[", 100000),
		"control in a string":     replace("PARTNER-A", "PARTNER-\n"),
		"comment":                 replace(`"signature"`, `/* c */ "signature"`),
		"trailing comma":          replace(`"header": {`, `"header": {,`),
		"duplicate in additional": replace(`{"name": "YOB", "value" : 1980}`, `{"name": "YOB", "name": "b", "value" : 1980}`),
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := wire.Parse(mapper.Link, []byte(body), 10); err == nil {
				t.Errorf("Parse succeeded: %+v", r)
			} else if len(body) > 100 && strings.Contains(err.Error(), "PARTNER") {
				t.Errorf("the error repeats the body: %v", err)
			}
		})
	}
}

func TestParseTellsProblemsOfTheEnvelopeLater(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(linkBody, old, new, 1) }
	for name, body := range map[string]string{
		"no header":                `{"message": {"transaction_id": "t", "link_request": []}}`,
		"header is a list":         `{"header": [], "message": {"transaction_id": "t", "link_request": []}}`,
		"no message":               `{"header": {"message_id": "m"}}`,
		"no message_id":            replace(`"message_id": "m1",`, ""),
		"message_id is a number":   replace(`"m1"`, "1"),
		"long message_id":          replace("m1", strings.Repeat("m", 100)),
		"no transaction_id":        replace(`"transaction_id": "t1",`, ""),
		"no list":                  replace("link_request", "update_request"),
		"list is an object":        `{"header": {"message_id": "m"}, "message": {"transaction_id": "t", "link_request": {}}}`,
		"names in another case":    replace(`"transaction_id"`, `"Transaction_Id"`),
		"names that fold":          replace(`"transaction_id"`, `"tran\u017faction_id"`),
		"sender is a number":       replace(`"PARTNER-A"`, "1"),
		"is_msg_encrypted is text": replace(`"is_msg_encrypted": false`, `"is_msg_encrypted": "no"`),
	} {
		t.Run(name, func(t *testing.T) {
			r, err := wire.Parse(mapper.Link, []byte(body), 10)
			if err != nil {
				t.Fatal(err)
			}
			if r.Problem == "" {
				t.Error("no problem found")
			}
		})
	}
}

func TestParseKeepsNoMoreThanTheLimit(t *testing.T) {
	body := `{"header": {"message_id": "m"}, "message": {"transaction_id": "t", "resolve_request": [{}, null, "x", 1, {"id": 5}]}}`
	r, err := wire.Parse(mapper.Resolve, []byte(body), 2)
	if err != nil || len(r.Items) != 2 || r.Count != 5 {
		t.Fatalf("Parse kept %d of %d items, error %v", len(r.Items), r.Count, err)
	}
	all, err := wire.Parse(mapper.Resolve, []byte(body), 5)
	if err != nil || len(all.Items) != 5 || !all.Items[4].ID.Invalid {
		t.Fatalf("Parse: %+v, %v", all, err)
	}
}

func TestCheckOfTheHeader(t *testing.T) {
	now := time.Date(2026, 3, 6, 9, 33, 0, 0, time.UTC)
	replace := func(old, new string) string { return strings.Replace(linkBody, old, new, 1) }
	for _, test := range []struct {
		name, body string
		want       wire.Code
	}{
		{"as it should be", linkBody, ""},
		{"no version", replace(`"version": "1.0.0",`, ""), ""},
		{"another version", replace("1.0.0", "2.0.0"), wire.VersionInvalid},
		{"version is a number", replace(`"1.0.0"`, "1"), wire.VersionInvalid},
		{"another action", replace(`"action": "link"`, `"action": "update"`), wire.ActionNotSupported},
		{"no action", replace(`"action": "link",`, ""), wire.ActionNotSupported},
		{"no time stamp", replace(`"message_ts": "2026-03-06T09:32:48Z",`, ""), wire.MessageTSInvalid},
		{"time stamp without a zone", replace("2026-03-06T09:32:48Z", "2026-03-06 09:32:48.724"), ""},
		{"time stamp in another zone", replace("2026-03-06T09:32:48Z", "2026-03-06T17:32:48+08:00"), ""},
		{"unparsable time stamp", replace("2026-03-06T09:32:48Z", "now"), wire.MessageTSInvalid},
		{"six minutes old", replace("2026-03-06T09:32:48Z", "2026-03-06T09:27:00Z"), wire.MessageTSInvalid},
		{"two minutes ahead", replace("2026-03-06T09:32:48Z", "2026-03-06T09:35:00Z"), wire.MessageTSInvalid},
		{"half a minute ahead", replace("2026-03-06T09:32:48Z", "2026-03-06T09:33:30Z"), ""},
		{"count not stated", replace(`"total_count": 1`, `"total_count": 0`), ""},
		{"no count", replace(`"total_count": 1,`, ""), ""},
		{"another count", replace(`"total_count": 1`, `"total_count": 2`), wire.TotalCountInvalid},
		{"negative count", replace(`"total_count": 1`, `"total_count": -1`), wire.TotalCountInvalid},
		{"count is a text", replace(`"total_count": 1`, `"total_count": "1"`), wire.TotalCountInvalid},
		{"broken count", replace(`"total_count": 1`, `"total_count": 1.5`), wire.TotalCountInvalid},
		{"too many", strings.Replace(replace(`"total_count": 1`, `"total_count": 12`), `"link_request": [`, `"link_request": [`+strings.Repeat("{},", 11), 1), wire.TotalCountLimitExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := wire.Parse(mapper.Link, []byte(test.body), 10)
			if err != nil {
				t.Fatal(err)
			}
			var got wire.Code
			if fault := r.Check(now, 5*time.Minute, 10); fault != nil {
				got = fault.Code
			}
			if got != test.want {
				t.Errorf("Check = %q, want %q", got, test.want)
			}
		})
	}
}

func TestResponseIsTheJSONItShouldBe(t *testing.T) {
	request := &wire.Request{Action: mapper.Resolve, TransactionID: "t\"1", Count: 2, Header: wire.Header{SenderID: "A"}}
	response := wire.Response{
		Request: request, MessageID: "m", CorrelationID: "c", SenderID: "spar", At: time.Date(2026, 3, 6, 9, 33, 0, 5e6, time.UTC),
		Results: []mapper.Result{
			{ReferenceID: "r\u2028<1>", ID: "token:1@n", FA: "account:1@2.3.bank_acc", Status: mapper.Succeeded, Code: mapper.IDActive,
				Provider:       &mapper.AccountProvider{Name: "Bank \\ 3", Code: "3", Subcode: "2"},
				AdditionalInfo: []mapper.Attribute{{Name: "n", Value: []byte(`{"k":1}`)}}},
			{ReferenceID: "r2", Status: mapper.Rejected, Code: mapper.IDInvalid, Message: "ID is null"},
		},
	}
	var got any
	if err := json.Unmarshal(response.Append(nil), &got); err != nil {
		t.Fatal(err)
	}
	const at = "2026-03-06T09:33:00.005Z"
	want := map[string]any{
		"signature": "",
		"header": map[string]any{"version": "1.0.0", "message_id": "m", "message_ts": at, "action": "on-resolve", "status": "succ",
			"total_count": 2.0, "completed_count": 2.0, "sender_id": "spar", "receiver_id": "A", "is_msg_encrypted": false},
		"message": map[string]any{"transaction_id": "t\"1", "correlation_id": "c", "resolve_response": []any{
			map[string]any{"reference_id": "r\u2028<1>", "timestamp": at, "id": "token:1@n", "fa": "account:1@2.3.bank_acc", "status": "succ", "status_reason_code": "succ.id.active",
				"account_provider_info": map[string]any{"name": "Bank \\ 3", "code": "3", "subcode": "2"},
				"additional_info":       []any{map[string]any{"name": "n", "value": map[string]any{"k": 1.0}}}},
			map[string]any{"reference_id": "r2", "timestamp": at, "status": "rjct", "status_reason_code": "rjct.id.invalid", "status_reason_message": "ID is null"},
		}},
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(linkBody))
	f.Add([]byte(`{"header":{"total_count":1e2},"message":{"link_request":[{"additional_info":[{"name":"a","value":[[]]}]}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := wire.Parse(mapper.Link, body, 3)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted what is not JSON: %q", body)
		}
		if len(r.Items) > 3 || len(r.Items) > r.Count {
			t.Fatalf("kept %d of %d items", len(r.Items), r.Count)
		}
		for _, item := range r.Items {
			for _, a := range item.AdditionalInfo {
				if !json.Valid(a.Value) {
					t.Fatalf("kept %q of %q as a value", a.Value, body)
				}
			}
		}
		response := wire.Response{Request: r, Results: []mapper.Result{{ReferenceID: r.TransactionID}}}
		if !json.Valid(response.Append(nil)) {
			t.Fatalf("the answer to %q is not JSON", body)
		}
	})
}

func BenchmarkParse1000(b *testing.B) {
	body := []byte(`{"header":{"message_id":"m","sender_id":"A","action":"resolve"},"message":{"transaction_id":"t","resolve_request":[` +
		strings.TrimSuffix(strings.Repeat(`{"reference_id":"0123456789","timestamp":"2026-03-06T09:32:48Z","id":"token:1234567890@nationalid","scope":"details","locale":"eng"},`, 1000), ",") + `]}}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Parse(mapper.Resolve, body, 1000); err != nil {
			b.Fatal(err)
		}
	}
}
