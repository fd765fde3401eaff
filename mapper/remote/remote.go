// Package remote is the mapper of another process, over the partner API: the same [mapper.Mapper] for a portal that runs
// apart from the registry. It believes only answers that the registry signed. It holds no state but the registry's
// published keys, and decides nothing.
package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"spar/mapper"
	"spar/mapper/wire"
)

// Limits of what is read and waited for.
const (
	maxAnswer = 32 << 20
	maxKeys   = 64 << 10
	callTime  = 30 * time.Second
)

// Signer signs a call's body with the portal's key.
type Signer func(body []byte) (signature string, err error)

// Published are the registry's keys, as parsed from its JWKS.
type Published interface {
	// Verify proves a detached signature over the body. ErrUnknown of the Options means that the keys are too old.
	Verify(signature []string, body []byte) error
}

// Options are what a Client needs.
type Options struct {
	URL        string // the registry's base_url
	SenderID   string // the reference id that the portal is onboarded with
	Sign       Signer
	ParseKeys  func(jwks []byte) (Published, error)
	ErrUnknown error       // what Published.Verify answers for a key that is not among them
	TLS        *tls.Config // nil: the system's
	Now        func() time.Time
}

// Client calls a registry elsewhere.
type Client struct {
	options Options
	base    string
	http    *http.Client

	mu   sync.Mutex
	keys Published
}

var _ mapper.Mapper = (*Client)(nil)

// New checks the options. It does not call yet: the registry may start later than the portal.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("remote mapper: the URL must be that of a registry")
	}
	if o.SenderID == "" || o.Sign == nil || o.ParseKeys == nil || o.ErrUnknown == nil || o.Now == nil {
		return nil, errors.New("remote mapper: options are incomplete")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.TLSClientConfig, transport.MaxIdleConnsPerHost = nil, o.TLS, 16
	return &Client{options: o, base: strings.TrimSuffix(o.URL, "/"), http: &http.Client{
		Transport: transport, Timeout: callTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Link implements [mapper.Mapper].
func (c *Client) Link(ctx context.Context, by mapper.Actor, items []mapper.Item) ([]mapper.Result, error) {
	return c.results(ctx, mapper.Link, by, items)
}

// Update implements [mapper.Mapper].
func (c *Client) Update(ctx context.Context, by mapper.Actor, items []mapper.Item) ([]mapper.Result, error) {
	return c.results(ctx, mapper.Update, by, items)
}

// Unlink implements [mapper.Mapper].
func (c *Client) Unlink(ctx context.Context, by mapper.Actor, items []mapper.Item) ([]mapper.Result, error) {
	return c.results(ctx, mapper.Unlink, by, items)
}

// Resolve implements [mapper.Mapper].
func (c *Client) Resolve(ctx context.Context, by mapper.Actor, items []mapper.Item) ([]mapper.Result, error) {
	return c.results(ctx, mapper.Resolve, by, items)
}

// History returns the latest changes of an ID's link, newest first, at most limit of them.
func (c *Client) History(ctx context.Context, id mapper.ID, limit int) ([]mapper.Change, error) {
	answer, err := c.about(ctx, wire.History, id)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return answer.Changes[:min(limit, len(answer.Changes))], nil
}

// Lookups returns who saw the details of an ID's account on which days, the latest first, at most limit of them.
func (c *Client) Lookups(ctx context.Context, id mapper.ID, limit int) ([]mapper.Lookup, error) {
	answer, err := c.about(ctx, wire.Lookups, id)
	if err != nil {
		return nil, fmt.Errorf("read look-ups: %w", err)
	}
	return answer.Lookups[:min(limit, len(answer.Lookups))], nil
}

// CancelHeld stops a change that waits; see [mapper.Service.CancelHeld].
func (c *Client) CancelHeld(ctx context.Context, by mapper.Actor, id mapper.ID, changeID string) (mapper.Change, error) {
	item := c.item(id)
	item.Change = mapper.String(changeID)
	results, err := c.results(ctx, wire.Cancel, by, []mapper.Item{item})
	if err != nil {
		return mapper.Change{}, err
	}
	switch r := results[0]; {
	case r.Code == mapper.StateStale:
		return mapper.Change{}, mapper.ErrNotHeld
	case r.Status != mapper.Succeeded:
		return mapper.Change{}, fmt.Errorf("stop held change: answered %s", r.Code)
	default:
		return mapper.Change{ID: r.ChangeID, Action: mapper.Cancel, At: r.ChangedAt, Partner: c.options.SenderID, ByBeneficiary: true}, nil
	}
}

func (c *Client) item(id mapper.ID) mapper.Item {
	return mapper.Item{
		ReferenceID: mapper.String("1"), Timestamp: mapper.String(c.options.Now().UTC().Format(time.RFC3339)), ID: mapper.String(string(id)),
	}
}

// about asks what only the portal may ask about a person.
func (c *Client) about(ctx context.Context, action mapper.Action, id mapper.ID) (*wire.Answer, error) {
	by := mapper.Actor{MessageID: rand.Text(), TransactionID: rand.Text()}
	return c.call(ctx, action, by, []mapper.Item{c.item(id)})
}

// Report reports a change as not the person's doing.
func (c *Client) Report(ctx context.Context, by mapper.Actor, item mapper.Item) (mapper.Result, error) {
	results, err := c.results(ctx, wire.Report, by, []mapper.Item{item})
	if err != nil {
		return mapper.Result{}, err
	}
	return results[0], nil
}

func (c *Client) results(ctx context.Context, action mapper.Action, by mapper.Actor, items []mapper.Item) ([]mapper.Result, error) {
	if by.MessageID == "" {
		return nil, fmt.Errorf("%s %d items: %w", action, len(items), mapper.ErrNoActor)
	}
	answer, err := c.call(ctx, action, by, items)
	if err != nil {
		return nil, fmt.Errorf("%s %d items: %w", action, len(items), err)
	}
	return answer.Results, nil
}

func (c *Client) call(ctx context.Context, action mapper.Action, by mapper.Actor, items []mapper.Item) (*wire.Answer, error) {
	call := &wire.Call{
		Action: action, MessageID: by.MessageID, SenderID: c.options.SenderID, TransactionID: by.TransactionID,
		At: c.options.Now(), Items: items,
	}
	status, signature, body, err := c.post(ctx, call)
	if err != nil {
		return nil, err
	}
	if err := c.verify(ctx, signature, body); err != nil {
		return nil, fmt.Errorf("check the registry's signature: %w", err)
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("the registry answered %d", status)
	}
	answer, err := wire.ParseAnswer(call, body)
	if err != nil {
		return nil, err
	}
	if answer.Fault != nil {
		if answer.Fault.Code == wire.MessageIDDuplicate {
			return nil, mapper.ErrDuplicateMessage
		}
		return nil, fmt.Errorf("the registry rejected the message: %s", answer.Fault.Code)
	}
	return answer, nil
}

func (c *Client) post(ctx context.Context, call *wire.Call) (status int, signature []string, body []byte, err error) {
	sent := call.Append(nil)
	token, err := c.options.Sign(sent)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("sign call: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/mapper/sync/"+string(call.Action), bytes.NewReader(sent))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("make call: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Signature", token)
	answer, err := c.http.Do(request)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("call the registry: %w", err)
	}
	defer answer.Body.Close()
	if body, err = read(answer.Body, maxAnswer); err != nil {
		return 0, nil, nil, fmt.Errorf("read the registry's answer: %w", err)
	}
	return answer.StatusCode, answer.Header.Values("Signature"), body, nil
}

func read(from io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = errors.New("it is too long")
	}
	return body, err
}

// verify checks an answer's signature. The keys are read when they are first needed, and once more when the registry has
// rotated them.
func (c *Client) verify(ctx context.Context, signature []string, body []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	fresh := c.keys == nil
	if fresh {
		if err := c.readKeys(ctx); err != nil {
			return err
		}
	}
	err := c.keys.Verify(signature, body)
	if !errors.Is(err, c.options.ErrUnknown) || fresh {
		return err
	}
	if err := c.readKeys(ctx); err != nil {
		return err
	}
	return c.keys.Verify(signature, body)
}

func (c *Client) readKeys(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/.well-known/jwks.json", nil)
	if err != nil {
		return fmt.Errorf("read the registry's keys: %w", err)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("read the registry's keys: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("read the registry's keys: it answered %d", answer.StatusCode)
	}
	content, err := read(answer.Body, maxKeys)
	if err != nil {
		return fmt.Errorf("read the registry's keys: %w", err)
	}
	keys, err := c.options.ParseKeys(content)
	if err != nil {
		return fmt.Errorf("read the registry's keys: %w", err)
	}
	c.keys = keys
	return nil
}
