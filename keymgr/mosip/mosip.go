// Package mosip asks a MOSIP Key Manager over its REST API for a second opinion on partners' signatures, and gives it their
// certificates at onboarding. Our own register stays the first gate: only a signature that a certificate of the register
// verifies is ever shown to the key manager, and only when that very certificate was given to it before. So strangers
// cause no calls, learn nothing from the time an answer takes, and the key manager's habits (it believes an x5c header
// before anything else, and makes a key pair for every reference id it is asked about) are never set off.
//
// Nothing but this package knows the key manager's wire format. It keeps no tables: see keymgr.Register.
package mosip

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"

	"spar/keymgr"
)

// MaxTimeout bounds a question to the key manager: a partner's call waits for it, and a revocation in the register must
// be effective within five seconds.
const MaxTimeout = 3 * time.Second

const (
	breakerFailures = 5                // in a row, after which the key manager is left alone
	breakerPause    = 10 * time.Second // for this long; then one call tries it
	maxAnswer       = 64 << 10         // bytes
)

// Config says where the key manager is and who we are there.
type Config struct {
	URL           string        // of the service, such as https://keys.example.org/v1/keymanager
	ApplicationID string        // the application whose reference ids the partners are
	TokenURL      string        // of the OAuth 2.0 server, for client credentials
	ClientID      string        //
	ClientSecret  string        //
	Timeout       time.Duration // of one question, its token and its repetition included; MaxTimeout if zero
	CAFile        string        // PEM; only these authorities are believed. The system's if empty
	SendBearer    bool          // send the token in the Authorization header as well as in the cookie
	PreExpireDays int           // how many days before its end the key manager stops using a certificate

	Observe func(call, outcome string, took time.Duration) // told of every question; may be nil
	Pause   time.Duration                                  // how long a key manager in trouble is left alone; 10 seconds if zero
	Now     func() time.Time                               // the wall clock if nil
}

// Client speaks to a key manager. It is safe for concurrent use.
type Client struct {
	Config
	http    *http.Client
	tokens  *tokens
	breaker *gobreaker.CircuitBreaker[answer]
}

// applicationID is what an application id may be: it travels in a URL and must not be blank, for a blank one means the
// key manager's own keys.
var applicationID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)

// NewClient prepares a client. It makes no request: the key manager may be down while this program starts.
func NewClient(c Config) (*Client, error) {
	c.URL = strings.TrimSuffix(c.URL, "/")
	if c.Timeout == 0 {
		c.Timeout = MaxTimeout
	}
	if c.Pause == 0 {
		c.Pause = breakerPause
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(string, string, time.Duration) {}
	}
	if c.Timeout < 0 || c.Timeout > MaxTimeout {
		return nil, fmt.Errorf("key manager: the time limit must be at most %s", MaxTimeout)
	}
	if !applicationID.MatchString(c.ApplicationID) {
		return nil, errors.New("key manager: the application id must be a letter or digit, then at most 63 letters, digits or . _ : -")
	}
	transport, err := newTransport(c.CAFile)
	if err != nil {
		return nil, err
	}
	client := &Client{Config: c, http: transport}
	client.tokens = newTokens(c, transport)
	client.breaker = gobreaker.NewCircuitBreaker[answer](gobreaker.Settings{
		Timeout:     c.Pause,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerFailures },
		// A client that went away, and a message too large for the key manager, say nothing about its health.
		IsExcluded:   func(err error) bool { return errors.Is(err, context.Canceled) || errors.Is(err, errTooLargeForIt) },
		IsSuccessful: func(err error) bool { return err == nil || isAnswer(err) },
	})
	return client, nil
}

// newTransport makes the HTTP client for everything asked. It follows no redirects: whoever answers must be whom we asked.
func newTransport(caFile string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	transport.DisableCompression = true // a small answer cannot become a large one
	transport.MaxResponseHeaderBytes = maxAnswer
	transport.MaxIdleConnsPerHost = 32
	if caFile != "" {
		authorities, err := ReadAuthorities(caFile)
		if err != nil {
			return nil, fmt.Errorf("key manager: ca_file: %w", err)
		}
		transport.TLSClientConfig.RootCAs = authorities
	}
	return &http.Client{
		Transport:     limited{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// ReadAuthorities reads a PEM file of certificates.
func ReadAuthorities(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// limited cuts answers off at maxAnswer.
type limited struct{ http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = http.MaxBytesReader(nil, response.Body, maxAnswer)
	}
	return response, err
}

// State says whether the key manager is being asked: closed (it is), open (it is left alone after failures) or half-open
// (one call is trying it).
func (c *Client) State() string { return c.breaker.State().String() }

// Holder names this key manager in the register.
func (c *Client) Holder() keymgr.Holder {
	return keymgr.Holder{URL: c.URL, Application: c.ApplicationID}
}

// StopsAt is when the key manager stops using a certificate: some days before it ends.
func (c *Client) StopsAt(certificate keymgr.Certificate) time.Time {
	return certificate.NotAfter.AddDate(0, 0, -c.PreExpireDays)
}
