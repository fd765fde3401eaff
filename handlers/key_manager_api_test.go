package handlers_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/gin-gonic/gin"
	"github.com/jmoiron/sqlx"

	"spar/handlers"
	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/keymgr/mosip"
	"spar/keymgr/mosip/mosiptest"
	"spar/migrations/dbtest"
	"spar/web"
	"spar/web/oidctest"
)

// onboarding is the API for hosts that automate, with a login provider for staff.
type onboarding struct {
	*httptest.Server
	api      *handlers.KeyManagerAPI
	db       *sqlx.DB
	register *keymgr.Register
	provider *oidctest.Provider
	logs     *syncBuffer
}

func newOnboarding(t *testing.T, db *sqlx.DB) *onboarding {
	t.Helper()
	register := keymgr.NewRegister(db, "openg2p-spar-mapper", audittest.New(t, db), time.Now)
	provider := oidctest.New(t, "none", nil, time.Now)
	staff, err := web.NewProviders([]web.LoginProvider{
		{ID: "people", Audience: web.Beneficiary, Issuer: provider.URL, ClientID: "people", ClientAuth: "none", IDTemplate: "token:{sub}@nationalid"},
		{ID: "staff", Audience: web.Staff, Issuer: provider.URL, ClientID: oidctest.ClientID, ClientAuth: "none",
			RolesClaim: "realm_access.roles", Roles: map[string]string{"spar-admin": "admin", "spar-auditor": "auditor"}},
	}, "https://spar.example.org", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	o := &onboarding{db: db, register: register, provider: provider, logs: &syncBuffer{}}
	log := slog.New(slog.NewJSONHandler(o.logs, nil))
	o.api = &handlers.KeyManagerAPI{
		Register: register, Verifier: keymgr.NewLocal(register), Application: "openg2p-spar-mapper", Staff: staff.Bearer,
		Reauthenticate: 15 * time.Minute, Now: time.Now, Log: log,
	}
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.NoRoute(o.api.NoRoute)
	engine.NoMethod(o.api.NoMethod)
	o.api.Routes(engine)
	o.Server = httptest.NewServer(engine)
	t.Cleanup(o.Close)
	return o
}

// token makes an access token as Keycloak does, with a role.
func (o *onboarding) token(role string, change ...func(header, claims object)) string {
	now := time.Now()
	header := object{"alg": "RS256", "typ": "JWT", "kid": o.provider.Key().ID}
	claims := object{
		"iss": o.provider.URL, "sub": "Clerk-7", "aud": "account", "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(),
		"auth_time": now.Unix(), "typ": "Bearer", "azp": oidctest.ClientID, "realm_access": realm(role, "offline_access"),
	}
	for _, f := range change {
		f(header, claims)
	}
	return o.provider.Sign(header, claims)
}

// keyManagerAnswer is an answer of the API, and the first error's code in it.
type keyManagerAnswer struct {
	response
	Response map[string]any
	Errors   []struct{ ErrorCode, Message string }
}

func (a keyManagerAnswer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	return a.Errors[0].ErrorCode
}

// ask makes a call and checks it against the description. An empty body is a GET.
func (o *onboarding) ask(t *testing.T, path, token, body string, change ...func(*http.Request)) keyManagerAnswer {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(t.Context(), method, o.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, f := range change {
		f(request)
	}
	answer, err := o.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := keyManagerAnswer{response: response{answer.StatusCode, answer.Header, string(text)}}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%s answered %d %s", path, got.status, text)
	}
	checkDescribed(t, request, []byte(body), got.response)
	o.checkAcceptedCall(t, request, body, got)
	if got.header.Get("Cache-Control") != "no-store" || len(got.header.Values("Set-Cookie")) != 0 {
		t.Errorf("%s: headers %v", path, got.header)
	}
	if (got.Response == nil) == (len(got.Errors) == 0) {
		t.Errorf("%s: neither or both of response and errors: %s", path, text)
	}
	return got
}

func (o *onboarding) checkAcceptedCall(t *testing.T, request *http.Request, body string, got keyManagerAnswer) {
	t.Helper()
	router, err := described()
	if err != nil || got.Response == nil {
		return
	}
	route, parameters, err := router.FindRoute(request)
	if err != nil {
		t.Fatal(err)
	}
	request.Body = io.NopCloser(strings.NewReader(body))
	call := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: parameters, Route: route, Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateRequest(t.Context(), call); err != nil {
		t.Errorf("a call that was accepted is not as openapi.yaml describes it: %v\n%s", err, body)
	}
}

const (
	uploadPath      = "/v1/keymanager/uploadOtherDomainCertificate"
	verifyPath      = "/v1/keymanager/jwtVerify"
	certificatePath = "/v1/keymanager/getCertificate?applicationId=openg2p-spar-mapper&referenceId="
)

func envelope(request object) string {
	text, err := json.Marshal(object{"id": "", "version": "", "requesttime": "2026-01-02T03:04:05.678Z", "metadata": object{}, "request": request})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func upload(reference string, certificate []byte) string {
	return envelope(object{"applicationId": "openg2p-spar-mapper", "referenceId": reference, "certificateData": string(certificate)})
}

// add registers a partner, as a draft without certificate.
func (o *onboarding) add(t *testing.T, reference string) {
	t.Helper()
	if _, err := o.register.Add(t.Context(), audittest.By, keymgr.Partner{ReferenceID: reference, Permissions: []keymgr.Permission{keymgr.Resolve}}, nil); err != nil {
		t.Fatal(err)
	}
}

func TestOnboardingByAPI(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		o := newOnboarding(t, db)
		key := keytest.RSA(t, 21)
		certificate := key.Certificate(t)
		o.add(t, "PARTNER-A")
		admin, auditor := o.token("spar-admin"), o.token("spar-auditor")
		if got := o.ask(t, certificatePath+"PARTNER-A", auditor, ""); got.status != 200 || got.code() != "KER-KMS-017" {
			t.Errorf("without a certificate: %d %s", got.status, got.body)
		}
		if got := o.ask(t, uploadPath, admin, upload("PARTNER-A", certificate)); got.status != 200 || got.Response["status"] != "Upload Success" {
			t.Fatalf("upload: %d %s", got.status, got.body)
		}
		got := o.ask(t, certificatePath+"PARTNER-A", auditor, "")
		if got.Response["certificate"] != string(certificate) || got.Response["certSignRequest"] != nil || got.Response["expiryAt"] == "" {
			t.Errorf("getCertificate: %s", got.body)
		}
		if err := o.register.SetStatus(t.Context(), audittest.By, "PARTNER-A", keymgr.Active); err != nil {
			t.Fatal(err)
		}
		var by string
		if err := db.Get(&by, `SELECT actor_id FROM audit_events WHERE action = 'certificate.add'`); err != nil || by != "staff:Clerk-7" {
			t.Errorf("audited as by %q, %v", by, err)
		}
		body := []byte(`{"signature": "", "header": {}}`)
		canonical := []byte(`{"header":{},"signature":""}`)
		actual := base64.RawURLEncoding.EncodeToString(body)
		for name, test := range map[string]struct {
			signature, actual string
			valid             bool
			reason            string
		}{
			"detached":           {key.Detached(t, body), actual, true, ""},
			"detached, padded":   {key.Detached(t, body), base64.URLEncoding.EncodeToString(body), true, ""},
			"canonical":          {key.Detached(t, canonical), actual, true, ""},
			"full":               {key.Full(t, body), "", true, ""},
			"full, with a body":  {key.Full(t, body), actual, true, ""},
			"full, another body": {key.Full(t, body), base64.RawURLEncoding.EncodeToString([]byte("{}")), false, "payload_differs"},
			"another key":        {keytest.RSA(t, 22).Detached(t, body), actual, false, "tampered"},
			"no token":           {"nonsense", actual, false, "malformed"},
			"detached, no body":  {key.Detached(t, body), "", false, "tampered"},
		} {
			request := object{"jwtSignatureData": test.signature, "applicationId": "openg2p-spar-mapper", "referenceId": "PARTNER-A"}
			if test.actual != "" {
				request["actualData"] = test.actual
			}
			got := o.ask(t, verifyPath, auditor, envelope(request))
			reason, _ := got.Response["reason"].(string)
			if got.status != 200 || got.Response["signatureValid"] != test.valid || reason != test.reason {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		for _, secret := range []string{admin, auditor, "Clerk-7", key.Detached(t, body)} {
			if strings.Contains(o.logs.String(), secret) {
				t.Errorf("the log holds %.20s…", secret)
			}
		}
	})
}

// TestOnboardingByAPIRefuses: every fault in the key manager's words, and nothing changed.
func TestOnboardingByAPIRefuses(t *testing.T) {
	o := newOnboarding(t, dbtest.SQLite(t))
	admin := o.token("spar-admin")
	o.add(t, "PARTNER-A")
	keytest.RSA(t, 23).Onboard(t, o.register, "PARTNER-B")
	keytest.RSA(t, 24).Onboard(t, o.register, "GONE")
	if err := o.register.SetStatus(t.Context(), audittest.By, "GONE", keymgr.Suspended); err != nil {
		t.Fatal(err)
	}
	p, err := o.register.Get(t.Context(), "PARTNER-B")
	if err != nil {
		t.Fatal(err)
	}
	taken, own := keymgr.CertificatePEM(p.Certificates[0].DER), keytest.RSA(t, 25).Certificate(t)
	expired := keytest.RSA(t, 26).CertificateFor(t, time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	other := strings.ReplaceAll(upload("PARTNER-A", own), "openg2p-spar-mapper", "KERNEL")
	verify := func(members object) string {
		request := object{"jwtSignatureData": "a..b", "actualData": "e30", "applicationId": "openg2p-spar-mapper", "referenceId": "PARTNER-B"}
		for name, value := range members {
			request[name] = value
		}
		return envelope(request)
	}
	for name, test := range map[string]struct {
		path, body string
		status     int
		code       string
	}{
		"unknown partner":               {uploadPath, upload("PARTNER-X", own), 200, "KER-KMS-005"},
		"other case":                    {uploadPath, upload("partner-a", own), 200, "KER-KMS-005"},
		"blank partner":                 {uploadPath, upload(" ", own), 200, "KER-KMS-005"},
		"suspended partner":             {uploadPath, upload("GONE", own), 200, "KER-KMS-005"},
		"another application":           {uploadPath, other, 200, "KER-KMS-002"},
		"blank certificate":             {uploadPath, upload("PARTNER-A", nil), 200, "KER-KMS-005"},
		"no certificate":                {uploadPath, upload("PARTNER-A", []byte("nonsense")), 200, "KER-KMS-013"},
		"an expired one":                {uploadPath, upload("PARTNER-A", expired), 200, "KER-KMS-013"},
		"a private key":                 {uploadPath, upload("PARTNER-A", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")), 200, "KER-KMS-034"},
		"another partner's key":         {uploadPath, upload("PARTNER-A", taken), 200, "KER-KMS-015"},
		"the same again":                {uploadPath, upload("PARTNER-B", taken), 200, "KER-KMS-035"},
		"no JSON":                       {uploadPath, `nonsense`, 200, "KER-KMS-005"},
		"no request":                    {uploadPath, `{}`, 200, "KER-KMS-005"},
		"request null":                  {uploadPath, `{"request":null}`, 200, "KER-KMS-005"},
		"a member twice":                {uploadPath, strings.Replace(upload("PARTNER-A", own), `"referenceId"`, `"referenceId":"PARTNER-B","referenceId"`, 1), 200, "KER-KMS-005"},
		"a member in other case":        {uploadPath, strings.Replace(upload("PARTNER-A", own), `"referenceId"`, `"referenceid"`, 1), 200, "KER-KMS-005"},
		"a number for a text":           {uploadPath, strings.Replace(upload("PARTNER-A", own), `"PARTNER-A"`, `1`, 1), 200, "KER-KMS-005"},
		"something after it":            {uploadPath, upload("PARTNER-A", own) + `{}`, 200, "KER-KMS-005"},
		"too large":                     {uploadPath, upload("PARTNER-A", bytes.Repeat([]byte("a"), 70<<10)), 413, "KER-KMS-005"},
		"certificate of nobody":         {certificatePath + "PARTNER-X", "", 200, "KER-KMS-017"},
		"certificate of none":           {certificatePath + "PARTNER-A", "", 200, "KER-KMS-017"},
		"certificate of a blank":        {certificatePath, "", 200, "KER-KMS-005"},
		"certificate of two":            {certificatePath + "PARTNER-A&referenceId=PARTNER-B", "", 200, "KER-KMS-005"},
		"certificate elsewhere":         {"/v1/keymanager/getCertificate?applicationId=KERNEL&referenceId=SIGN", "", 200, "KER-KMS-002"},
		"certificate without ids":       {"/v1/keymanager/getCertificate", "", 200, "KER-KMS-005"},
		"verify with a certificate":     {verifyPath, verify(object{"certificateData": string(own)}), 200, "KER-KMS-005"},
		"verify trust":                  {verifyPath, verify(object{"validateTrust": true}), 200, "KER-KMS-005"},
		"verify in a domain":            {verifyPath, verify(object{"domain": "AUTH"}), 200, "KER-KMS-005"},
		"verify for a blank":            {verifyPath, verify(object{"referenceId": ""}), 200, "KER-KMS-005"},
		"verify for another":            {verifyPath, verify(object{"applicationId": "KERNEL"}), 200, "KER-KMS-002"},
		"verify nothing":                {verifyPath, verify(object{"jwtSignatureData": ""}), 200, "KER-JWS-102"},
		"verify no base64":              {verifyPath, verify(object{"actualData": "é"}), 200, "KER-JWS-106"},
		"verify for nobody":             {verifyPath, verify(object{"referenceId": "PARTNER-X"}), 200, ""},
		"a call there is not":           {"/v1/keymanager/getAllCertificates", "", 404, "KER-KMS-005"},
		"with another method":           {uploadPath, "", 405, "KER-KMS-005"},
		"a path that is not quite ours": {"/v1/keymanager/jwtVerify/v2", verify(nil), 404, "KER-KMS-005"},
	} {
		if got := o.ask(t, test.path, admin, test.body); got.status != test.status || got.code() != test.code {
			t.Errorf("%s: answered %d %s, want %d %s", name, got.status, got.body, test.status, test.code)
		}
	}
	for name, change := range map[string]func(*http.Request){
		"a form":       header("Content-Type", "application/x-www-form-urlencoded"),
		"text":         header("Content-Type", "text/plain"),
		"other coding": header("Content-Encoding", "gzip"),
	} {
		if got := o.ask(t, uploadPath, admin, upload("PARTNER-A", own), change); got.status != 415 {
			t.Errorf("%s: answered %d %s", name, got.status, got.body)
		}
	}
	if p, err := o.register.Get(t.Context(), "PARTNER-A"); err != nil || len(p.Certificates) != 0 {
		t.Errorf("PARTNER-A has %d certificates, %v", len(p.Certificates), err)
	}
	if list, err := o.register.List(t.Context()); err != nil || len(list) != 3 {
		t.Errorf("%d partners, %v: a call made one", len(list), err)
	}
}

// TestWhoMayOnboardByAPI: only a current access token of a member of staff, in the header, with the role.
func TestWhoMayOnboardByAPI(t *testing.T) {
	o := newOnboarding(t, dbtest.SQLite(t))
	trail := audittest.New(t, o.db)
	o.api.Refusals = audit.NewRefusals(trail, func(context.Context) ([]string, error) { return nil, nil }, slog.New(slog.NewTextHandler(io.Discard, nil)), time.Now)
	o.add(t, "PARTNER-A")
	certificate := keytest.RSA(t, 27).Certificate(t)
	set := func(name string, value any) func(_, claims object) {
		return func(_, claims object) { claims[name] = value }
	}
	without := func(names ...string) func(_, claims object) {
		return func(_, claims object) {
			for _, name := range names {
				delete(claims, name)
			}
		}
	}
	head := func(name string, value any) func(header, _ object) {
		return func(header, _ object) { header[name] = value }
	}
	ago := func(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
	stranger := oidctest.NewKey(t, "stranger", "sig", 2048)
	forged := func() string {
		return oidctest.SignWith(stranger, object{"alg": "RS256", "typ": "JWT", "kid": o.provider.Key().ID}, object{
			"iss": o.provider.URL, "sub": "Clerk-7", "exp": time.Now().Add(time.Minute).Unix(), "typ": "Bearer", "azp": oidctest.ClientID, "realm_access": realm("spar-admin"),
		})
	}
	for name, test := range map[string]struct {
		token   string
		upload  int // status
		read    int
		message string
	}{
		"admin":                        {o.token("spar-admin"), 200, 200, ""},
		"admin, service account":       {o.token("spar-admin", without("auth_time")), 200, 200, ""},
		"for us by aud":                {o.token("spar-admin", set("azp", "automation"), set("aud", []any{"account", oidctest.ClientID})), 200, 200, ""},
		"RFC 9068":                     {o.token("spar-admin", without("typ", "azp"), set("client_id", oidctest.ClientID), head("typ", "at+jwt")), 200, 200, ""},
		"auditor":                      {o.token("spar-auditor"), 403, 200, ""},
		"no role":                      {o.token("spar-clerk"), 403, 403, ""},
		"our role's own name":          {o.token("admin"), 403, 403, ""},
		"no roles claim":               {o.token("", without("realm_access")), 403, 403, ""},
		"an old login":                 {o.token("spar-admin", set("auth_time", ago(16*time.Minute))), 403, 200, "log in again"},
		"nothing":                      {"", 401, 401, ""},
		"nonsense":                     {"nonsense", 401, 401, ""},
		"expired":                      {o.token("spar-admin", set("exp", ago(2*time.Minute))), 401, 401, ""},
		"without an end":               {o.token("spar-admin", without("exp")), 401, 401, ""},
		"not yet":                      {o.token("spar-admin", set("nbf", ago(-time.Hour))), 401, 401, ""},
		"of the future":                {o.token("spar-admin", set("auth_time", ago(-time.Hour))), 401, 401, ""},
		"another issuer":               {o.token("spar-admin", set("iss", "https://evil.example.org")), 401, 401, ""},
		"for another client":           {o.token("spar-admin", set("azp", "people")), 401, 401, ""},
		"for nobody":                   {o.token("spar-admin", without("azp")), 401, 401, ""},
		"an ID token of Keycloak":      {o.token("spar-admin", set("typ", "ID"), set("aud", oidctest.ClientID)), 401, 401, ""},
		"an ID token":                  {o.token("spar-admin", without("typ"), set("aud", oidctest.ClientID), set("nonce", "n")), 401, 401, ""},
		"an ID token without a type":   {o.token("spar-admin", without("typ"), set("aud", oidctest.ClientID), func(h, _ object) { delete(h, "typ") }), 401, 401, ""},
		"a refresh token":              {o.token("spar-admin", set("typ", "Refresh")), 401, 401, ""},
		"a logout token":               {o.token("spar-admin", head("typ", "logout+jwt")), 401, 401, ""},
		"without a subject":            {o.token("spar-admin", without("sub")), 401, 401, ""},
		"another key":                  {forged(), 401, 401, ""},
		"unsigned":                     {o.provider.Unsigned(object{"typ": "JWT"}, object{"iss": o.provider.URL, "typ": "Bearer", "azp": oidctest.ClientID, "sub": "x", "realm_access": realm("spar-admin")}), 401, 401, ""},
		"signed with the client's key": {oidctest.SignHMAC([]byte(oidctest.ClientSecret), object{"typ": "JWT"}, object{"iss": o.provider.URL, "typ": "Bearer", "azp": oidctest.ClientID, "sub": "x", "realm_access": realm("spar-admin")}), 401, 401, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := o.ask(t, uploadPath, test.token, upload("PARTNER-A", certificate))
			want := map[int]string{401: "KER-ATH-401", 403: "KER-ATH-403", 200: got.code()}[test.upload]
			if got.status != test.upload || got.code() != want || !strings.Contains(got.body, test.message) {
				t.Errorf("upload: %d %s, want %d", got.status, got.body, test.upload)
			}
			if got.status == 401 && got.header.Get("WWW-Authenticate") != "Bearer" {
				t.Error("401 without WWW-Authenticate")
			}
			if got := o.ask(t, certificatePath+"PARTNER-A", test.token, ""); got.status != test.read {
				t.Errorf("read: %d %s, want %d", got.status, got.body, test.read)
			}
		})
	}
	good := o.token("spar-admin")
	for name, change := range map[string]func(*http.Request){
		"in a cookie, as the original": func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "Authorization", Value: good}) },
		"in the query":                 func(r *http.Request) { r.URL.RawQuery += "&access_token=" + url.QueryEscape(good) },
		"without a scheme":             header("Authorization", good),
		"of another scheme":            header("Authorization", "Basic "+good),
		"twice":                        func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + good, "Bearer " + good} },
	} {
		if got := o.ask(t, certificatePath+"PARTNER-A", "", "", change); got.status != 401 {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if err := o.api.Refusals.Flush(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	var denied int
	if err := o.db.Get(&denied, `SELECT COUNT(*) FROM audit_events WHERE action = 'access.denied' AND actor_id = 'staff:Clerk-7'`); err != nil || denied == 0 {
		t.Errorf("%d denials audited, %v", denied, err)
	}
}

func TestOnboardingByAPIWithoutTheLoginProvider(t *testing.T) {
	o := newOnboarding(t, dbtest.SQLite(t))
	o.api.Staff = func(context.Context, string) (web.User, error) { return web.User{}, web.ErrProviderUnavailable }
	if got := o.ask(t, certificatePath+"PARTNER-A", "token", ""); got.status != 503 || got.code() != "KER-KMS-500" || got.header.Get("Retry-After") == "" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	o.api.Staff = func(context.Context, string) (web.User, error) { return web.User{}, errors.New("SECRETMARKER") }
	if got := o.ask(t, certificatePath+"PARTNER-A", "token", ""); got.status != 401 || strings.Contains(got.body, "SECRETMARKER") {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

// TestOnboardingByAPIWithAKeyManager: what is added here goes there too; when it does not, sending it again is enough.
func TestOnboardingByAPIWithAKeyManager(t *testing.T) {
	o, double := newOnboarding(t, dbtest.SQLite(t)), mosiptest.Start(t)
	client, err := mosip.NewClient(double.Config())
	if err != nil {
		t.Fatal(err)
	}
	o.api.KeyManager = mosip.New(client, o.register, keymgr.NewLocal(o.register))
	o.add(t, "PARTNER-A")
	admin := o.token("spar-admin")
	certificate := func(number int) []byte {
		return keytest.RSA(t, number).CertificateFor(t, time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0))
	}
	first := upload("PARTNER-A", certificate(28))
	double.Misbehave("uploadOtherDomainCertificate", mosiptest.Fails("KER-KMS-034"))
	if got := o.ask(t, uploadPath, admin, first); got.status != 200 || got.code() != "KER-KMS-034" || !strings.Contains(got.body, "registered here") {
		t.Errorf("a no: %d %s", got.status, got.body)
	}
	double.Misbehave("uploadOtherDomainCertificate", mosiptest.Answer(500, "text/html", "down"))
	if got := o.ask(t, uploadPath, admin, first); got.status != 503 || got.code() != "KER-KMS-500" {
		t.Errorf("an outage: %d %s", got.status, got.body)
	}
	double.Behave()
	if got := o.ask(t, uploadPath, admin, first); got.status != 200 || got.Response["status"] != "Upload Success" {
		t.Errorf("once it behaves: %d %s", got.status, got.body)
	}
	if got := o.ask(t, uploadPath, admin, first); got.code() != "KER-KMS-035" {
		t.Errorf("once more: %d %s", got.status, got.body)
	}
	before := len(double.Calls("uploadOtherDomainCertificate"))
	if got := o.ask(t, uploadPath, admin, upload("PARTNER-A", certificate(29))); got.status != 200 || got.Response == nil {
		t.Errorf("the next certificate: %d %s", got.status, got.body)
	}
	if n := len(double.Calls("uploadOtherDomainCertificate")); n != before {
		t.Error("the next certificate ended the one that the partner signs with")
	}
	if made := double.Generated(); len(made) != 0 {
		t.Errorf("made the key manager generate keys for %v", made)
	}
}
