package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const minimal = "base_url: https://spar.example.org\n"

// full is the example of the product's description.
const full = `
listen: 127.0.0.1:8080
ops_listen: 127.0.0.1:9090
base_url: https://spar.example.org
tls: {certificate: "", key: ""}
trusted_proxies: []
database: {url: "sqlite:///var/lib/spar/spar.db"}
keys: {dir: /var/lib/spar/keys}
application: openg2p-spar-mapper
session: {idle: 15m, lifetime: 8h}
login_providers:
  - id: national-id
    name: {en: National ID, fr: Carte d'identité nationale}
    audience: beneficiary
    issuer: https://esignet.example.org
    client_id: spar
    client_auth: client_secret_post
    client_secret: "beneficiary-secret"
    scopes: [openid, profile]
    acr_values: mosip:idp:acr:generated-code mosip:idp:acr:biometrics
    claims: {}
    userinfo: signed
    id_template: "token:{individual_id}@nationalid"
  - id: staff
    name: {en: Staff}
    audience: staff
    issuer: https://keycloak.example.org/realms/staff
    client_id: spar-admin
    client_auth: client_secret_basic
    client_secret: "staff-secret"
    roles_claim: realm_access.roles
    roles: {spar-admin: admin, spar-auditor: auditor}
key_manager: {mode: local}
mapper: {url: "", max_batch: 10000, message_window: 5m, known_dfsp_only: false}
`

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "spar.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	got, err := loadConfig(configFile(t, minimal), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	want := defaultConfig()
	want.BaseURL = "https://spar.example.org"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	documented, err := loadConfig(configFile(t, full), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	documented.LoginProviders = nil
	documented.TrustedProxies = nil
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("documented example against the defaults (-defaults +example):\n%s", diff)
	}
}

func TestEnvironmentOverridesEveryScalar(t *testing.T) {
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := loadConfig(configFile(t, full), []string{
		"SPAR_DATABASE__URL=postgres://u:p@h/db",
		"SPAR_SESSION__IDLE=10m",
		"SPAR_MAPPER__MAX_BATCH=500",
		"SPAR_MAPPER__KNOWN_DFSP_ONLY=true",
		"SPAR_TRUSTED_PROXIES=10.0.0.0/8, 192.168.0.0/16",
		"SPAR_LOGIN_PROVIDERS__0__CLIENT_SECRET=overridden",
		"SPAR_LOGIN_PROVIDERS__0__NAME__FR=Autre nom",
		"SPAR_LOGIN_PROVIDERS__0__SCOPES__1=email",
		"SPAR_LOGIN_PROVIDERS__1__CLIENT_SECRET_FILE=" + secretFile,
		"SPAR_LOGIN_PROVIDERS__1__ROLES__SPAR_AUDITOR=admin",
		"SPAR_CONFIG=elsewhere.yaml",
		"OTHER=ignored",
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	national, staff := got.LoginProviders[0], got.LoginProviders[1]
	for _, check := range []struct {
		name      string
		got, want any
	}{
		{"database.url", got.Database.URL, "postgres://u:p@h/db"},
		{"session.idle", got.Session.Idle, 10 * time.Minute},
		{"mapper.max_batch", got.Mapper.MaxBatch, 500},
		{"mapper.known_dfsp_only", got.Mapper.KnownDFSPOnly, true},
		{"trusted_proxies", got.TrustedProxies, []string{"10.0.0.0/8", "192.168.0.0/16"}},
		{"client_secret", national.ClientSecret, "overridden"},
		{"name", national.Name, map[string]string{"en": "National ID", "fr": "Autre nom"}},
		{"scopes", national.Scopes, []string{"openid", "email"}},
		{"client_secret from a file", staff.ClientSecret, "from a file"},
		{"roles", staff.Roles, map[string]string{"spar-admin": "admin", "spar-auditor": "admin"}},
	} {
		if diff := cmp.Diff(check.want, check.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", check.name, diff)
		}
	}
}

func TestTheEnvironmentAloneCanConfigure(t *testing.T) {
	t.Chdir(t.TempDir())
	got, err := loadConfig("", []string{
		"SPAR_BASE_URL=http://localhost:8080",
		"SPAR_LOGIN_PROVIDERS__0__ID=national-id",
		"SPAR_LOGIN_PROVIDERS__0__NAME__EN=National ID",
		"SPAR_LOGIN_PROVIDERS__0__AUDIENCE=beneficiary",
		"SPAR_LOGIN_PROVIDERS__0__ISSUER=http://127.0.0.1:9000",
		"SPAR_LOGIN_PROVIDERS__0__CLIENT_ID=spar",
		"SPAR_LOGIN_PROVIDERS__0__CLIENT_AUTH=none",
		"SPAR_LOGIN_PROVIDERS__0__ID_TEMPLATE={sub}@demo",
	}, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.LoginProviders) != 1 || got.LoginProviders[0].IDTemplate != "{sub}@demo" || got.LoginProviders[0].Userinfo != "none" {
		t.Errorf("login providers = %+v", got.LoginProviders)
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	_, err := loadConfig(configFile(t, "listne: x\nsession: {idle: 5, lifetim: 1h}\nmapper: {max_batch: many}\n"), []string{"SPAR_LOG__LEVEL=loud", "SPAR_OTHER__KEY=1"}, true)
	problems, ok := errors.AsType[*configError](err)
	if !ok {
		t.Fatalf("error = %v, want a *configError", err)
	}
	for _, key := range []string{"listne:", "session.idle:", "session.lifetim:", "mapper.max_batch:", "log.level:", "other:", "base_url:"} {
		if !slices.ContainsFunc(problems.problems, func(p string) bool { return strings.HasPrefix(p, key) }) {
			t.Errorf("nothing about %s in:\n%v", key, err)
		}
	}
	if len(problems.problems) != 7 {
		t.Errorf("%d problems, want 7:\n%v", len(problems.problems), err)
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := loadConfig(filepath.Join(t.TempDir(), "none.yaml"), nil, false); err == nil {
		t.Error("a configuration file that was named but does not exist was accepted")
	}
	if _, err := loadConfig(configFile(t, "a: [\n"), nil, false); err == nil {
		t.Error("broken YAML was accepted")
	}
}

func TestDumpHidesSecrets(t *testing.T) {
	cfg, err := loadConfig(configFile(t, full), []string{"SPAR_DATABASE__URL=postgres://u:hunter2@h/db?sslpassword=hunter3"}, true)
	if err != nil {
		t.Fatal(err)
	}
	text, err := cfg.dump()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "hunter3", "beneficiary-secret", "staff-secret"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the dump shows %q:\n%s", secret, text)
		}
	}
	for _, part := range []string{"postgres://u:xxxxx@h/db", "client_secret: xxxxx", "id: national-id", "idle: 15m0s"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the dump lacks %q:\n%s", part, text)
		}
	}
}

func TestDeployedExampleIsValidAndComplete(t *testing.T) {
	_, key := tlsFiles(t)
	environ := []string{"SPAR_LOGIN_PROVIDERS__0__CLIENT_KEY=" + key, "SPAR_LOGIN_PROVIDERS__1__CLIENT_SECRET=x"}
	code, stdout, stderr := command(t, "", environ, "config", "check", "--config", "deploy/spar.yaml")
	if code != 0 {
		t.Fatal(stderr)
	}
	// Every key of the configuration is explained in the example, if only in a comment.
	example, err := os.ReadFile("deploy/spar.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(strings.TrimPrefix(stdout, "ok\n")) {
		key, _, isKey := strings.Cut(strings.TrimLeft(line, " -"), ":")
		if isKey && !strings.Contains(string(example), key+":") {
			t.Errorf("deploy/spar.yaml does not mention %s", key)
		}
	}
}

func TestDumpReadsBackTheSame(t *testing.T) {
	cfg, err := loadConfig(configFile(t, full), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	for i := range cfg.LoginProviders {
		cfg.LoginProviders[i].ClientSecret = redacted
	}
	text, err := cfg.dump()
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadConfig(configFile(t, string(text)), nil, true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cfg, again, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the dump reads back differently (-before +after):\n%s", diff)
	}
}
