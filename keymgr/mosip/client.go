package mosip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/sony/gobreaker/v2"

	"spar/keymgr"
)

// The calls, as in their addresses and in metrics.
const (
	callVerify      = "jwtVerify"
	callUpload      = "uploadOtherDomainCertificate"
	callCertificate = "getCertificate"
	callToken       = "token"
)

// Calls lists the calls and Outcomes how they end, for a metric that shows zeros.
func Calls() []string { return []string{callVerify, callUpload, callCertificate, callToken} }
func Outcomes() []string {
	return []string{outcomeOK, outcomeRefused, outcomeUnavailable, outcomeSkipped}
}

const (
	outcomeOK          = "ok"          // an answer, whichever
	outcomeRefused     = "refused"     // an error in the key manager's own words about what was asked
	outcomeUnavailable = "unavailable" // no answer, or nothing a key manager would say
	outcomeSkipped     = "skipped"     // not asked: it is in trouble
)

// answer is the member response of the envelope.
type answer = jsontext.Value

var (
	errTooLargeForIt = errors.New("the message is larger than the key manager takes")
	errUnauthorized  = errors.New("the key manager does not accept our token")
)

// unavailable makes an error out of everything that is no answer. The cause is ours or the library's, never the remote's
// own text, which may repeat what we sent.
func unavailable(format string, args ...any) error {
	return fmt.Errorf("%w: %w", keymgr.ErrUnavailable, fmt.Errorf(format, args...))
}

// ask puts one question, within the time limit, unless the key manager is in trouble. The error is a [*Refused], or wraps
// keymgr.ErrUnavailable.
func (c *Client) ask(ctx context.Context, call, method string, query url.Values, request any) (answer, error) {
	began := c.Now()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	response, err := c.breaker.Execute(func() (answer, error) { return c.askTwice(ctx, call, method, query, request) })
	outcome := outcomeOK
	switch {
	case errors.Is(err, gobreaker.ErrOpenState), errors.Is(err, gobreaker.ErrTooManyRequests):
		outcome, err = outcomeSkipped, unavailable("not asked, because it failed before: %w", err)
	case isAnswer(err):
		outcome = outcomeRefused
	case err != nil:
		outcome = outcomeUnavailable
	}
	c.Observe(call, outcome, c.Now().Sub(began))
	return response, err
}

// askTwice asks again with a new token if ours is not accepted: it may have been withdrawn. Once only.
func (c *Client) askTwice(ctx context.Context, call, method string, query url.Values, request any) (answer, error) {
	var body []byte
	if request != nil {
		var err error
		if body, err = json.Marshal(envelope{RequestTime: stamp(c.Now()), Request: request}); err != nil {
			return nil, fmt.Errorf("encode question to the key manager: %w", err)
		}
	}
	for attempt := 1; ; attempt++ {
		token, err := c.tokens.get(ctx)
		if err != nil {
			return nil, err
		}
		response, err := c.send(ctx, call, method, query, body, token)
		if !errors.Is(err, errUnauthorized) {
			return response, err
		}
		c.tokens.forget(token)
		if attempt == 2 {
			return nil, unavailable("%w", err)
		}
	}
}

type envelope struct {
	ID          string   `json:"id"`
	Version     string   `json:"version"`
	RequestTime string   `json:"requesttime"`
	Metadata    struct{} `json:"metadata"`
	Request     any      `json:"request"`
}

// stamp writes a time as the key manager parses it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// send makes one request. The token travels in a cookie, the only place where the key manager looks for it.
func (c *Client) send(ctx context.Context, call, method string, query url.Values, body []byte, token string) (answer, error) {
	address := c.URL + "/" + call
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, unavailable("%s: make request", call)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Cookie", "Authorization="+token)
	if c.SendBearer {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, broken(call, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, broken(call, err)
	}
	return read(call, response, text)
}

// broken describes a connection's failure without the address, which url.Error repeats.
func broken(call string, err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err
	}
	return unavailable("%s: %w", call, err)
}

// read decides what an answer says. The key manager reports nearly every error with status 200, so the rules are exact:
// status 200, JSON, no errors, and a response.
func read(call string, response *http.Response, text []byte) (answer, error) {
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized:
		return nil, errUnauthorized
	case status == http.StatusForbidden:
		return nil, unavailable("%s: our client lacks the role for it (KER-ATH-403)", call)
	case status == http.StatusRequestEntityTooLarge:
		return nil, unavailable("%s: %w", call, errTooLargeForIt)
	case status != http.StatusOK:
		return nil, unavailable("%s: answered %d", call, status)
	}
	if kind, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, unavailable("%s: the answer is not application/json", call)
	}
	// The decoder compares names exactly and refuses duplicates, so nothing can be said twice in two ways.
	var envelope struct {
		Response answer        `json:"response"`
		Errors   []remoteError `json:"errors"`
	}
	if err := json.Unmarshal(text, &envelope); err != nil {
		return nil, unavailable("%s: the answer is not the envelope of a key manager", call)
	}
	if len(envelope.Errors) > 0 {
		return nil, refused(envelope.Errors)
	}
	if envelope.Response.Kind() != '{' {
		return nil, unavailable("%s: the answer has neither errors nor a response", call)
	}
	return envelope.Response, nil
}

type remoteError struct {
	Code string `json:"errorCode"`
}
