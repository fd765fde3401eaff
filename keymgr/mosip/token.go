package mosip

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	tokenMargin  = 30 * time.Second // a token that ends sooner is not used any more
	tokenDefault = time.Minute      // how long a token lasts that does not say
)

// tokenText is what may go into a cookie and a header: what RFC 6750 allows.
var tokenText = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)

const maxToken = 8 << 10 // bytes; proxies take no longer header lines

// tokens gets access tokens by client credentials (RFC 6749, section 4.4), one at a time, and keeps the last. The library's
// own cache cannot be told that a token was withdrawn.
type tokens struct {
	config  clientcredentials.Config
	client  *http.Client
	now     func() time.Time
	observe func(call, outcome string, took time.Duration)

	turn  chan struct{} // holds one entry: the turn to use the fields below
	token string
	until time.Time
}

func newTokens(c Config, client *http.Client) *tokens {
	t := &tokens{
		config: clientcredentials.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, TokenURL: c.TokenURL, AuthStyle: oauth2.AuthStyleInParams,
		},
		client: client, now: c.Now, observe: c.Observe, turn: make(chan struct{}, 1),
	}
	t.turn <- struct{}{}
	return t
}

// get returns a token that is still good, asking for one if there is none.
func (t *tokens) get(ctx context.Context) (string, error) {
	if err := t.take(ctx); err != nil {
		return "", err
	}
	defer t.release()
	if now := t.now(); t.token != "" && now.Before(t.until) {
		return t.token, nil
	}
	began := t.now()
	token, until, err := t.request(ctx)
	outcome := outcomeOK
	if err != nil {
		outcome = outcomeUnavailable
	}
	t.observe(callToken, outcome, t.now().Sub(began))
	t.token, t.until = token, until
	return token, err
}

// forget drops a token that was not accepted, unless another has taken its place already.
func (t *tokens) forget(token string) {
	<-t.turn
	defer t.release()
	if t.token == token {
		t.token = ""
	}
}

func (t *tokens) take(ctx context.Context) error {
	select {
	case <-t.turn:
		return nil
	case <-ctx.Done():
		return unavailable("token: %w", ctx.Err())
	}
}

func (t *tokens) release() { t.turn <- struct{}{} }

func (t *tokens) request(ctx context.Context) (token string, until time.Time, err error) {
	got, err := t.config.Token(context.WithValue(ctx, oauth2.HTTPClient, t.client))
	if err != nil {
		return "", time.Time{}, tokenError(ctx, err)
	}
	if !strings.EqualFold(got.TokenType, "Bearer") || len(got.AccessToken) > maxToken || !tokenText.MatchString(got.AccessToken) {
		return "", time.Time{}, unavailable("token: not a bearer token that can be sent")
	}
	lasts := tokenDefault
	if !got.Expiry.IsZero() {
		lasts = time.Until(got.Expiry) // the library counted from the wall clock
	}
	// A token of less than the margin is used at least once.
	return got.AccessToken, t.now().Add(lasts - min(tokenMargin, lasts/2)), nil
}

// tokenError says why there is no token. The answer's text stays out: it may repeat what we sent.
func tokenError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return unavailable("token: %w", ctx.Err())
	}
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || answer.Response == nil {
		return unavailable("token: the token server does not answer, or not as one should")
	}
	known := strings.Map(func(r rune) rune {
		if r == '_' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, answer.ErrorCode)
	return unavailable("token: answered %d %.40s", answer.Response.StatusCode, known)
}
