package wire

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"spar/mapper"
)

// Call is a message to be sent: what [Parse] reads at the other end.
type Call struct {
	Action        mapper.Action
	MessageID     string
	SenderID      string
	TransactionID string
	At            time.Time
	Items         []mapper.Item
}

// Append writes the call as JSON. Members that an item lacks are left out.
func (c *Call) Append(b []byte) []byte {
	b = append(b, `{"signature":"","header":{"version":"`+Version+`","message_id":`...)
	b = quoted(b, c.MessageID)
	b = append(b, `,"message_ts":"`...)
	b = c.At.UTC().AppendFormat(b, timeForm)
	b = append(b, `","action":"`...)
	b = append(b, c.Action...)
	b = append(b, `","sender_id":`...)
	b = quoted(b, c.SenderID)
	b = append(b, `,"total_count":`...)
	b = strconv.AppendInt(b, int64(len(c.Items)), 10)
	b = append(b, `,"is_msg_encrypted":false},"message":{"transaction_id":`...)
	b = quoted(b, c.TransactionID)
	b = append(b, `,"`...)
	b = append(b, listMember(c.Action)...)
	b = append(b, `":[`...)
	for i := range c.Items {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendItem(b, &c.Items[i])
	}
	return append(b, `]}}`...)
}

func appendItem(b []byte, item *mapper.Item) []byte {
	b = appendTexts(append(b, '{'),
		member{"reference_id", item.ReferenceID}, member{"timestamp", item.Timestamp}, member{"id", item.ID}, member{"fa", item.FA},
		member{"scope", item.Scope}, member{"name", item.Name}, member{"phone_number", item.Phone}, member{"locale", item.Locale})
	switch {
	case item.InfoInvalid:
		b = append(b, `,"additional_info":0`...)
	case len(item.AdditionalInfo) > 0:
		b = appendInfo(b, item.AdditionalInfo)
	}
	return append(appendSaid(b, item), '}')
}

// member is a text of an object.
type member struct {
	name string
	text mapper.Text
}

// appendTexts writes the members that are present, the first after an opening brace.
func appendTexts(b []byte, members ...member) []byte {
	for _, m := range members {
		if !m.text.Present {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), m.name...), `":`...)
		if m.text.Invalid {
			b = append(b, '0') // what was no string stays none
			continue
		}
		b = quoted(b, m.text.Value)
	}
	return b
}

// Answer is what came back for a [Call].
type Answer struct {
	Fault   *Fault // the message was rejected
	Results []mapper.Result
	Changes []mapper.Change // of a history
	Lookups []mapper.Lookup
}

type answerBody struct {
	Header struct {
		Action        string `json:"action"`
		Status        string `json:"status"`
		ReasonCode    Code   `json:"status_reason_code"`
		ReasonMessage string `json:"status_reason_message"`
		ReceiverID    string `json:"receiver_id"`
	} `json:"header"`
	Message struct {
		TransactionID string         `json:"transaction_id"`
		Link          []answerItem   `json:"link_response"`
		Update        []answerItem   `json:"update_response"`
		Unlink        []answerItem   `json:"unlink_response"`
		Resolve       []answerItem   `json:"resolve_response"`
		History       []answerChange `json:"history_response"`
		Lookups       []answerLookup `json:"lookups_response"`
		Cancel        []answerItem   `json:"cancel_response"`
		Report        []answerItem   `json:"report_response"`
	} `json:"message"`
}

type answerProvider struct {
	Name    string `json:"name"`
	Code    string `json:"code"`
	Subcode string `json:"subcode"`
}

type answerItem struct {
	ReferenceID string          `json:"reference_id"`
	ID          string          `json:"id"`
	FA          string          `json:"fa"`
	Status      mapper.Status   `json:"status"`
	Code        mapper.Code     `json:"status_reason_code"`
	Message     string          `json:"status_reason_message"`
	Provider    *answerProvider `json:"account_provider_info"`
	Info        []struct {
		Name  string         `json:"name"`
		Value jsontext.Value `json:"value"`
	} `json:"additional_info"`
	Portal *portalMember `json:"portal"`
}

func (a answerItem) result() mapper.Result {
	r := mapper.Result{ReferenceID: a.ReferenceID, ID: a.ID, FA: a.FA, Status: a.Status, Code: a.Code, Message: a.Message}
	if a.Provider != nil {
		r.Provider = &mapper.AccountProvider{Name: a.Provider.Name, Code: a.Provider.Code, Subcode: a.Provider.Subcode}
	}
	for _, pair := range a.Info {
		r.AdditionalInfo = append(r.AdditionalInfo, mapper.Attribute{Name: pair.Name, Value: pair.Value})
	}
	if a.Portal != nil {
		a.Portal.fill(&r)
	}
	return r
}

var errNotTheAnswer = errors.New("the answer does not belong to this call")

// ParseAnswer reads the answer to a call, as strictly as [Parse] reads calls: it must be for this action, receiver and
// transaction, and have one result for each item, with its reference id.
func ParseAnswer(call *Call, body []byte) (*Answer, error) {
	var a answerBody
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, errors.New("the answer is not the JSON it should be")
	}
	if a.Header.Action != "on-"+string(call.Action) || a.Header.ReceiverID != call.SenderID || a.Message.TransactionID != call.TransactionID {
		return nil, errNotTheAnswer
	}
	if a.Header.Status != string(mapper.Succeeded) {
		return &Answer{Fault: &Fault{a.Header.ReasonCode, a.Header.ReasonMessage}}, nil
	}
	switch call.Action {
	case History:
		return &Answer{Changes: changesOf(a.Message.History)}, nil
	case Lookups:
		lookups, err := lookupsOf(a.Message.Lookups)
		return &Answer{Lookups: lookups}, err
	}
	items := map[mapper.Action][]answerItem{
		mapper.Link: a.Message.Link, mapper.Update: a.Message.Update, mapper.Unlink: a.Message.Unlink, mapper.Resolve: a.Message.Resolve,
		Cancel: a.Message.Cancel,
		Report: a.Message.Report,
	}[call.Action]
	if len(items) != len(call.Items) {
		return nil, fmt.Errorf("%w: %d results for %d items", errNotTheAnswer, len(items), len(call.Items))
	}
	answer := &Answer{Results: make([]mapper.Result, len(items))}
	for i, item := range items {
		if item.ReferenceID != call.Items[i].ReferenceID.Value {
			return nil, errNotTheAnswer
		}
		answer.Results[i] = item.result()
	}
	return answer, nil
}
