package notices

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Gateway is a service that takes text messages over HTTP.
type Gateway struct {
	URL    string
	Form   bool           // fields are sent as a form, else as JSON
	Fields map[string]any // texts may hold {number}, {digits}, {text}, {id} and {secret}
	Auth   string         // one of the Auth constants
	Header string         // AuthHeader: its name
	User   string         // AuthBasic
	Secret string
	Client *http.Client // nil: one that follows no redirect
}

// How a gateway knows us.
const (
	AuthNone   = "none" // or by a field that holds {secret}
	AuthBearer = "bearer"
	AuthBasic  = "basic"
	AuthHeader = "header" // the secret as it is
)

// Placeholders in the fields that must be there.
const (
	NumberPlaceholder = "{number}" // in E.164
	DigitsPlaceholder = "{digits}" // the same without its plus sign
	TextPlaceholder   = "{text}"
)

// client follows no redirect: it would take the message, and the person's number, to an address nobody configured.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// Send implements [Sender].
func (g *Gateway) Send(ctx context.Context, m Message) error {
	body, contentType, err := g.body(m)
	if err != nil {
		return &Failure{Class: FailRefused}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL, bytes.NewReader(body))
	if err != nil {
		return &Failure{Class: FailSetup}
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Idempotency-Key", m.ID)
	switch g.Auth {
	case AuthBearer:
		request.Header.Set("Authorization", "Bearer "+g.Secret)
	case AuthBasic:
		request.SetBasicAuth(g.User, g.Secret)
	case AuthHeader:
		request.Header.Set(g.Header, g.Secret)
	}
	use := g.Client
	if use == nil {
		use = client
	}
	answer, err := use.Do(request)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the address, which may hold a key
	}
	if err != nil {
		return brokenFailure(ctx, err, FailConnect)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // lets the connection be used again
	return statusFailure(answer)
}

// statusFailure sorts a gateway's answer. What is wrong with us is tried again, so that somebody can mend the
// configuration; what is wrong with the message is not.
func statusFailure(answer *http.Response) error {
	f := &Failure{Code: answer.StatusCode}
	switch code := answer.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code == http.StatusRequestTimeout || code == http.StatusTooEarly || code == http.StatusTooManyRequests || code >= 500:
		f.Class = FailBusy
		if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
			f.After = min(lastRetry, time.Duration(seconds)*time.Second)
		}
	case code == http.StatusBadRequest || code == http.StatusGone || code == http.StatusRequestEntityTooLarge || code == http.StatusUnprocessableEntity:
		f.Class = FailRefused
	default:
		f.Class = FailSetup
	}
	return f
}

func (g *Gateway) body(m Message) (body []byte, contentType string, err error) {
	fill := strings.NewReplacer(NumberPlaceholder, m.To, DigitsPlaceholder, strings.TrimPrefix(m.To, "+"), TextPlaceholder, m.Text, "{id}", m.ID, "{secret}", g.Secret)
	if g.Form {
		form := url.Values{}
		for name, value := range g.Fields {
			form.Set(name, fill.Replace(fmt.Sprint(value)))
		}
		return []byte(form.Encode()), "application/x-www-form-urlencoded", nil
	}
	body, err = json.Marshal(filled(g.Fields, fill))
	return body, "application/json", err
}

// filled is a value of the template with its placeholders replaced, at any depth.
func filled(value any, fill *strings.Replacer) any {
	switch v := value.(type) {
	case string:
		return fill.Replace(v)
	case map[string]any:
		group := make(map[string]any, len(v))
		for name, item := range v {
			group[name] = filled(item, fill)
		}
		return group
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = filled(item, fill)
		}
		return list
	}
	return value
}
