package wire

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"spar/mapper"
)

// Response is the answer to one message: its results, or the fault for which all of it was rejected.
type Response struct {
	Request       *Request
	Results       []mapper.Result // one per item, in request order
	Fault         *Fault
	MessageID     string
	CorrelationID string
	SenderID      string // the registry's own id
	At            time.Time
	Portal        bool            // the caller is the portal, whose pages show more
	Changes       []mapper.Change // the answer to History
	Lookups       []mapper.Lookup // the answer to Lookups
}

// timeForm is RFC 3339 with milliseconds.
const timeForm = "2006-01-02T15:04:05.000Z07:00"

// Append writes the response as JSON, by hand: a reflecting encoder would spend most of an answer's time on it.
func (r *Response) Append(b []byte) []byte {
	at := r.At.UTC().Format(timeForm)
	b = append(b, `{"signature":"","header":{"version":"`+Version+`","message_id":`...)
	b = quoted(b, r.MessageID)
	b = append(b, `,"message_ts":"`...)
	b = append(b, at...)
	b = append(b, `","action":"on-`...)
	b = append(b, r.Request.Action...)
	b = r.appendStatus(b)
	b = append(b, `,"total_count":`...)
	b = strconv.AppendInt(b, int64(r.Request.Count), 10)
	b = append(b, `,"completed_count":`...)
	b = strconv.AppendInt(b, int64(len(r.Results)), 10)
	b = append(b, `,"sender_id":`...)
	b = quoted(b, r.SenderID)
	b = append(b, `,"receiver_id":`...)
	b = quoted(b, r.Request.Header.SenderID)
	b = append(b, `,"is_msg_encrypted":false},"message":{"transaction_id":`...)
	b = quoted(b, r.Request.TransactionID)
	b = append(b, `,"correlation_id":`...)
	b = quoted(b, r.CorrelationID)
	b = append(b, `,"`...)
	b = append(b, r.Request.Action...)
	b = append(b, `_response":[`...)
	for i := range r.Results {
		if i > 0 {
			b = append(b, ',')
		}
		b = r.appendResult(b, &r.Results[i], at)
	}
	b = appendChanges(b, r.Changes)
	b = appendLookups(b, r.Lookups)
	return append(b, `]}}`...)
}

func (r *Response) appendStatus(b []byte) []byte {
	if r.Fault == nil {
		return append(b, `","status":"succ"`...)
	}
	b = append(b, `","status":"rjct","status_reason_code":"`...)
	b = append(b, r.Fault.Code...)
	b = append(b, `","status_reason_message":`...)
	return quoted(b, r.Fault.Message)
}

func (r *Response) appendResult(b []byte, result *mapper.Result, at string) []byte {
	b = append(b, `{"reference_id":`...)
	b = quoted(b, result.ReferenceID)
	b = append(b, `,"timestamp":"`...)
	b = append(b, at...)
	b = append(b, '"')
	if result.ID != "" {
		b = append(b, `,"id":`...)
		b = quoted(b, result.ID)
	}
	// The definition requires fa in an update's answer, also where the item was rejected for having none.
	if result.FA != "" || r.Request.Action == mapper.Update {
		b = append(b, `,"fa":`...)
		b = quoted(b, result.FA)
	}
	if p := result.Provider; p != nil {
		b = appendProvider(b, p)
	}
	b = append(b, `,"status":"`...)
	b = append(b, result.Status...)
	b = append(b, '"')
	if result.Code != "" {
		b = append(b, `,"status_reason_code":"`...)
		b = append(b, result.Code...)
		b = append(b, '"')
	}
	if result.Message != "" {
		b = append(b, `,"status_reason_message":`...)
		b = quoted(b, result.Message)
	}
	if len(result.AdditionalInfo) > 0 {
		b = appendInfo(b, result.AdditionalInfo)
	}
	if r.Portal {
		b = appendPortal(b, result)
	}
	return append(b, '}')
}

func appendProvider(b []byte, p *mapper.AccountProvider) []byte {
	b = append(b, `,"account_provider_info":{"name":`...)
	b = quoted(b, p.Name)
	b = append(b, `,"code":`...)
	b = quoted(b, p.Code)
	if p.Subcode != "" {
		b = append(b, `,"subcode":`...)
		b = quoted(b, p.Subcode)
	}
	return append(b, '}')
}

func appendInfo(b []byte, info []mapper.Attribute) []byte {
	b = append(b, `,"additional_info":[`...)
	for i, a := range info {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`...)
		b = quoted(b, a.Name)
		b = append(b, `,"value":`...)
		b = append(append(b, a.Value...), '}') // JSON as it was sent and checked
	}
	return append(b, ']')
}

// quoted appends a JSON string. What is quoted here came from strictly read JSON or from our own texts, so it is UTF-8.
func quoted(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil {
		return append(b, `""`...)
	}
	return out
}
