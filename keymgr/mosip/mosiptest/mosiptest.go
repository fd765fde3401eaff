// Package mosiptest is a MOSIP Key Manager and its token server for tests: the wire contract of the real one, its habits
// that hurt included, and everything else that a test tells it to do. It shares no code with what it tests. Only tests
// import it.
//
// True to the real one: errors come with status 200; the token is only looked for in a cookie whose name contains
// Authorization; jwtVerify believes an x5c header, or a certificate remembered under the header's x5t#S256, before the
// request's certificateData, and that before what it keeps under application and reference id; asking for a reference id
// that it does not know makes a key pair for it; a blank application id means its own signing key and a blank reference id
// the application's master key; an upload ends the certificate before it at once, and judges nothing; certificates stop
// some days before they end.
package mosiptest

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"spar/keymgr/mosip"
)

// The application and the client that the double knows, and where it keeps things.
const (
	Application  = "openg2p-spar-mapper"
	ClientID     = "spar-keymanager-client"
	ClientSecret = "s3cret/with+signs&MARKER"

	Base      = "/v1/keymanager/"
	TokenPath = "/auth/realms/mosip/protocol/openid-connect/token"

	// PreExpireDays is how long before its end a certificate stops.
	PreExpireDays = 30
)

// Object is a JSON object.
type Object map[string]any

// Call is a request that the double got.
type Call struct {
	Name    string // the last part of the path
	Method  string
	Header  http.Header
	Query   url.Values
	Form    url.Values
	Request Object // the member of that name of the envelope
}

// Server is the double.
type Server struct {
	*httptest.Server
	Now func() time.Time

	mu        sync.Mutex
	twists    map[string]*twist
	calls     []Call
	tokens    map[string]time.Time // and when they end
	lasts     time.Duration        // a new token
	keys      map[[2]string][]*entry
	generated [][2]string
	byX5T     map[string]*entry
	certs     int
}

// Start starts a double.
func Start(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, (*httptest.Server).Start)
}

// StartTLS starts a double that speaks https with a certificate of its own.
func StartTLS(tb testing.TB) *Server {
	tb.Helper()
	return start(tb, (*httptest.Server).StartTLS)
}

func start(tb testing.TB, serve func(*httptest.Server)) *Server {
	s := &Server{
		Now: time.Now, twists: map[string]*twist{}, tokens: map[string]time.Time{}, lasts: 5 * time.Minute,
		keys: map[[2]string][]*entry{}, byX5T: map[string]*entry{},
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that hang up are what it is for
	serve(s.Server)
	tb.Cleanup(func() {
		s.CloseClientConnections() // whoever hangs
		s.Close()
	})
	return s
}

// Config is what a client needs.
func (s *Server) Config() mosip.Config {
	return mosip.Config{
		URL: s.URL + strings.TrimSuffix(Base, "/"), ApplicationID: Application, TokenURL: s.URL + TokenPath,
		ClientID: ClientID, ClientSecret: ClientSecret, PreExpireDays: PreExpireDays,
	}
}

// Calls returns the requests of a name, or all but those for tokens if it is empty.
func (s *Server) Calls(name string) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Call
	for _, c := range s.calls {
		if c.Name == name || name == "" && c.Name != "token" {
			list = append(list, c)
		}
	}
	return list
}

// Generated lists the applications and reference ids for which somebody made the double generate a key pair.
func (s *Server) Generated() [][2]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.generated)
}

// Tokens returns the tokens given out so far, none of which may ever be logged.
func (s *Server) Tokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for token := range s.tokens {
		list = append(list, token)
	}
	return list
}

// WithdrawTokens ends every token given out so far.
func (s *Server) WithdrawTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token := range s.tokens {
		s.tokens[token] = time.Time{}
	}
}

// TokensLast says how long tokens last from now on.
func (s *Server) TokensLast(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lasts = d
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	call := Call{Name: name, Method: r.Method, Header: r.Header.Clone(), Query: r.URL.Query()}
	var handle http.HandlerFunc
	if r.URL.Path == TokenPath {
		_ = r.ParseForm()
		call.Form = r.PostForm
		handle = s.token
	} else {
		var envelope struct{ Request Object }
		_ = json.NewDecoder(r.Body).Decode(&envelope)
		call.Request = envelope.Request
		handle = func(w http.ResponseWriter, r *http.Request) { s.keyManager(w, r, call) }
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	t := s.twists[name]
	if t != nil && t.times > 0 {
		if t.times--; t.times == 0 {
			delete(s.twists, name)
		}
	}
	s.mu.Unlock()
	if t != nil {
		t.do(w, r, handle)
		return
	}
	handle(w, r)
}

// token is the token endpoint (RFC 6749, section 4.4).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodPost || r.PostForm.Get("grant_type") != "client_credentials" {
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, Object{"error": "unsupported_grant_type"})
		return
	}
	if r.PostForm.Get("client_id") != ClientID || r.PostForm.Get("client_secret") != ClientSecret {
		w.WriteHeader(http.StatusUnauthorized)
		writeJSON(w, Object{"error": "unauthorized_client", "error_description": "Invalid client or Invalid client credentials"})
		return
	}
	token := "TOKENMARKER." + rand.Text() + "." + rand.Text()
	s.mu.Lock()
	s.tokens[token] = s.Now().Add(s.lasts)
	lasts := s.lasts
	s.mu.Unlock()
	writeJSON(w, Object{"access_token": token, "expires_in": int(lasts.Seconds()), "token_type": "Bearer", "scope": "email profile"})
}

func (s *Server) keyManager(w http.ResponseWriter, r *http.Request, call Call) {
	w.Header().Set("Content-Type", "application/json")
	if !s.authenticated(r) {
		w.WriteHeader(http.StatusUnauthorized)
		fail(w, "KER-ATH-401", "Authentication Failed")
		return
	}
	handlers := map[string]func(http.ResponseWriter, Call){
		"POST jwtVerify": s.jwtVerify, "POST uploadOtherDomainCertificate": s.uploadOtherDomainCertificate,
		"GET getCertificate": s.getCertificate, "GET getAllCertificates": s.getAllCertificates, "PUT revokeKey": s.revokeKey,
	}
	handle := handlers[call.Method+" "+call.Name]
	if handle == nil || r.URL.Path != Base+call.Name {
		w.WriteHeader(http.StatusNotFound)
		writeJSON(w, Object{"timestamp": stamp(s.Now()), "status": 404, "error": "Not Found", "path": r.URL.Path})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	handle(w, call)
}

// authenticated looks for the token where the real one does: in the cookies, never in the header.
func (s *Server) authenticated(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cookie := range r.Cookies() {
		if strings.Contains(cookie.Name, "Authorization") {
			return s.Now().Before(s.tokens[cookie.Value])
		}
	}
	return false
}

// answer writes an envelope with a response, fail one with an error; both with the status set before, 200 if none.
func answer(w http.ResponseWriter, response Object) { writeEnvelope(w, response, nil) }

func fail(w http.ResponseWriter, code, message string) {
	writeEnvelope(w, nil, []Object{{"errorCode": code, "message": message}})
}

func writeEnvelope(w http.ResponseWriter, response Object, errors []Object) {
	writeJSON(w, struct {
		ID           *string  `json:"id"`
		Version      *string  `json:"version"`
		ResponseTime string   `json:"responsetime"`
		Metadata     *string  `json:"metadata"`
		Response     Object   `json:"response"`
		Errors       []Object `json:"errors"`
	}{ResponseTime: stamp(time.Now()), Response: response, Errors: errors})
}

func writeJSON(w http.ResponseWriter, value any) { _ = json.NewEncoder(w).Encode(value) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
