package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// byMail and bySMS configure messages to people, with further variables that spoil it.
func byMail(url string) []string {
	return []string{"SPAR_NOTICES__EMAIL__URL=" + url, "SPAR_NOTICES__EMAIL__FROM=SPAR <no-reply@example.org>"}
}

func bySMS(spoilt ...string) []string {
	return append([]string{
		"SPAR_NOTICES__SMS__URL=https://sms.example.org/send", "SPAR_NOTICES__SMS__SECRET=x",
		"SPAR_NOTICES__SMS__FIELDS__TO={number}", "SPAR_NOTICES__SMS__FIELDS__TEXT={text}",
	}, spoilt...)
}

func TestEveryRuleNamesItsKey(t *testing.T) {
	const staff, national = "SPAR_LOGIN_PROVIDERS__1__", "SPAR_LOGIN_PROVIDERS__0__"
	for _, test := range []struct {
		name    string
		environ []string
		want    string // the beginning of the one problem
	}{
		{"listen without port", []string{"SPAR_LISTEN=127.0.0.1"}, "listen: expected host:port"},
		{"listen with a port too high", []string{"SPAR_LISTEN=127.0.0.1:70000"}, "listen: expected host:port"},
		{"plain HTTP on every address", []string{"SPAR_LISTEN=0.0.0.0:8080"}, "listen: expected a loopback address, or tls"},
		{"plain HTTP with no host", []string{"SPAR_LISTEN=:8080"}, "listen: expected a loopback address, or tls"},
		{"a proxy, but http outside", []string{"SPAR_LISTEN=0.0.0.0:8080", "SPAR_TRUSTED_PROXIES=10.0.0.0/8", "SPAR_BASE_URL=http://localhost"}, "listen: expected a loopback address, or tls"},
		{"ops listener without port", []string{"SPAR_OPS_LISTEN=x"}, "ops_listen: expected host:port"},
		{"ops on the public listener", []string{"SPAR_OPS_LISTEN=127.0.0.1:8080"}, "ops_listen: expected another address"},
		{"http to the world", []string{"SPAR_BASE_URL=http://spar.example.org"}, "base_url: expected https://"},
		{"base URL with a path", []string{"SPAR_BASE_URL=https://example.org/spar"}, "base_url: expected the public address"},
		{"base URL of another kind", []string{"SPAR_BASE_URL=ftp://example.org"}, "base_url: expected the public address"},
		{"certificate without key", []string{"SPAR_TLS__CERTIFICATE=c.pem"}, "tls.key: expected the path"},
		{"key without certificate", []string{"SPAR_TLS__KEY=k.pem"}, "tls.certificate: expected the path"},
		{"TLS files that do not exist", []string{"SPAR_TLS__KEY=/none/k.pem", "SPAR_TLS__CERTIFICATE=/none/c.pem"}, "tls: expected a certificate and its private key"},
		{"a proxy by name", []string{"SPAR_TRUSTED_PROXIES=proxy.example.org"}, "trusted_proxies.0: expected a network"},
		{"another database", []string{"SPAR_DATABASE__URL=mysql://h/db"}, "database.url: expected sqlite://"},
		{"SQLite without a path", []string{"SPAR_DATABASE__URL=sqlite://"}, "database.url: expected sqlite://"},
		{"a colour by its name", []string{"SPAR_BRAND__ACCENT=teal"}, "brand.accent: expected a colour"},
		{"a colour nobody sees", []string{"SPAR_BRAND__ACCENT=#fffff0"}, "brand.accent: #fffff0 is too light"},
		{"a name in no language", []string{"SPAR_BRAND__NAME__XX=Pensions", "SPAR_BRAND__NAME__EN=Pensions"}, "brand.name.xx: expected one of the portal's languages"},
		{"a logo that is not there", []string{"SPAR_BRAND__LOGO=/none/logo.svg"}, "brand.logo: expected the path of an SVG or PNG file"},
		{"help at an address that is none", []string{"SPAR_BRAND__SUPPORT__URL=javascript:alert(1)"}, "brand.support.url: expected an https:// address"},
		{"no keys", []string{"SPAR_KEYS__DIR="}, "keys.dir: expected"},
		{"no application", []string{"SPAR_APPLICATION="}, "application: expected"},
		{"a duration without unit", []string{"SPAR_SESSION__IDLE=900"}, "session.idle: expected a duration such as"},
		{"idle beyond the lifetime", []string{"SPAR_SESSION__IDLE=9h"}, "session.idle: expected a duration from 1m"},
		{"a lifetime of days", []string{"SPAR_SESSION__LIFETIME=48h"}, "session.lifetime: expected a duration from 1m to 24h"},
		{"another key manager", []string{"SPAR_KEY_MANAGER__MODE=vault"}, "key_manager.mode: expected local or mosip"},
		{"a mapper over plain HTTP", []string{"SPAR_MAPPER__URL=http://registry.example.org"}, "mapper.url: expected nothing, or the https:// address"},
		{"no batch", []string{"SPAR_MAPPER__MAX_BATCH=0"}, "mapper.max_batch: expected a number from 1"},
		{"an empty number", []string{"SPAR_MAPPER__MAX_BATCH="}, "mapper.max_batch: expected a whole number"},
		{"a hold of minutes", []string{"SPAR_CHANGES__HOLD=10m"}, "changes.hold: expected 0, or a duration from 1h to 30d"},
		{"a hold of months", []string{"SPAR_CHANGES__HOLD=31d"}, "changes.hold: expected 0, or a duration from 1h to 30d"},
		{"a hold into the past", []string{"SPAR_CHANGES__HOLD=-1h"}, "changes.hold: expected 0, or a duration from 1h to 30d"},
		{"a window of a day", []string{"SPAR_MAPPER__MESSAGE_WINDOW=24h"}, "mapper.message_window: expected a duration from 1s"},
		{"yes for true", []string{"SPAR_MAPPER__KNOWN_DFSP_ONLY=yes"}, "mapper.known_dfsp_only: expected true or false"},
		{"a region in words", []string{"SPAR_MAPPER__DEFAULT_REGION=Philippines"}, "mapper.default_region: expected a country"},
		{"a portal over plain HTTP", []string{"SPAR_NOTICES__PORTAL_URL=http://spar.example.org"}, "notices.portal_url: expected nothing, or the https:// address"},
		{"notices forgotten at once", []string{"SPAR_NOTICES__KEEP=1h"}, "notices.keep: expected a duration from 1d"},
		{"a mail server that is a website", byMail("https://mail.example.org"), "notices.email.url: expected smtp://"},
		{"a mail server without a host", byMail("smtp://"), "notices.email.url: expected smtp://"},
		{"mail without encryption", append(byMail("smtp://mail.example.org"), "SPAR_NOTICES__EMAIL__STARTTLS=false"), "notices.email.starttls: expected true"},
		{"mail from nobody", append(byMail("smtp://mail.example.org"), "SPAR_NOTICES__EMAIL__FROM=SPAR"), "notices.email.from: expected a sender"},
		{"mail in a flood", append(byMail("smtp://mail.example.org"), "SPAR_NOTICES__EMAIL__PER_SECOND=1000"), "notices.email.per_second: expected a number from 1 to 50"},
		{"mail that may take for ever", append(byMail("smtp://mail.example.org"), "SPAR_NOTICES__EMAIL__TIMEOUT=1h"), "notices.email.timeout: expected a duration from 1s to 30s"},
		{"a gateway over plain HTTP", bySMS("SPAR_NOTICES__SMS__URL=http://sms.example.org"), "notices.sms.url: expected an https URL"},
		{"a gateway with a key in its address", bySMS("SPAR_NOTICES__SMS__URL=https://sms.example.org/?key=x"), "notices.sms.url: expected an https URL"},
		{"a gateway with a password in its address", bySMS("SPAR_NOTICES__SMS__URL=https://u:p@sms.example.org/"), "notices.sms.url: expected an https URL"},
		{"a gateway with another format", bySMS("SPAR_NOTICES__SMS__FORMAT=xml"), "notices.sms.format: expected json or form"},
		{"a gateway that is not told the number", bySMS("SPAR_NOTICES__SMS__FIELDS__TO=x"), "notices.sms.fields: expected the gateway's fields"},
		{"a gateway that is not told the text", bySMS("SPAR_NOTICES__SMS__FIELDS__TEXT=x"), "notices.sms.fields: expected the gateway's fields"},
		{"a form with a group", bySMS("SPAR_NOTICES__SMS__FORMAT=form", "SPAR_NOTICES__SMS__FIELDS__MORE__X=y"), "notices.sms.fields.more: expected a single value"},
		{"a gateway that knows us somehow", bySMS("SPAR_NOTICES__SMS__AUTH=digest"), "notices.sms.auth: expected bearer"},
		{"a gateway without the secret", bySMS("SPAR_NOTICES__SMS__SECRET="), "notices.sms.secret: expected the secret"},
		{"a gateway with a secret of two lines", bySMS("SPAR_NOTICES__SMS__SECRET=a\r\nb"), "notices.sms.secret: expected one line"},
		{"a gateway without a user", bySMS("SPAR_NOTICES__SMS__AUTH=basic"), "notices.sms.user: expected a user"},
		{"a gateway without a header", bySMS("SPAR_NOTICES__SMS__AUTH=header"), "notices.sms.header: expected the name of a header"},
		{"a portal apart that tells people", append(byMail("smtp://mail.example.org"), "SPAR_MAPPER__URL=https://registry.example.org"), "notices: expected neither email nor sms"},
		{"another log level", []string{"SPAR_LOG__LEVEL=trace"}, "log.level: expected debug"},
		{"a value for a group", []string{"SPAR_SESSION=15m"}, "session: expected a variable for a key inside it"},
		{"a key inside a value", []string{"SPAR_LISTEN__HOST=x"}, "listen.host: unknown key"},
		{"an index that is none", []string{"SPAR_LOGIN_PROVIDERS__X__ID=x"}, "login_providers.x: expected an index"},
		{"a provider id in capitals", []string{national + "ID=National"}, "login_providers.0.id: expected lower-case"},
		{"a provider id twice", []string{national + "ID=staff"}, "login_providers.1.id: expected an id that no other"},
		{"a provider without a name", []string{national + "NAME__EN="}, "login_providers.0.name.en: expected"},
		{"an unknown audience", []string{national + "AUDIENCE=people"}, "login_providers.0.audience: expected beneficiary or staff"},
		{"an issuer over http", []string{national + "ISSUER=http://esignet.example.org"}, "login_providers.0.issuer: expected an https URL"},
		{"an ID-token issuer that is no URL", []string{national + "ID_TOKEN_ISSUER=esignet"}, "login_providers.0.id_token_issuer: expected"},
		{"no client id", []string{national + "CLIENT_ID="}, "login_providers.0.client_id: expected"},
		{"an unknown method", []string{national + "CLIENT_AUTH=basic"}, "login_providers.0.client_auth: expected one of"},
		{"no secret", []string{national + "CLIENT_SECRET="}, "login_providers.0.client_secret: expected the client's secret"},
		{"a secret too many", []string{national + "CLIENT_AUTH=none"}, "login_providers.0.client_secret: expected nothing"},
		{"a key too many", []string{national + "CLIENT_KEY=k.pem"}, "login_providers.0.client_key: expected nothing"},
		{"a key that does not exist", []string{national + "CLIENT_AUTH=private_key_jwt", national + "CLIENT_SECRET=", national + "CLIENT_KEY=/none/k.pem"}, "login_providers.0.client_key: expected the path of a PEM private key"},
		{"an assertion audience for nothing", []string{national + "CLIENT_ASSERTION_AUDIENCE=x"}, "login_providers.0.client_assertion_audience: expected nothing"},
		{"an algorithm with a shared secret", []string{national + "SIGNING_ALGORITHMS=HS256"}, "login_providers.0.signing_algorithms.0: expected one of RS256"},
		{"scopes without openid", []string{national + "SCOPES=profile"}, "login_providers.0.scopes: expected openid"},
		{"userinfo of another kind", []string{national + "USERINFO=yes"}, "login_providers.0.userinfo: expected signed"},
		{"an id template without a claim", []string{national + "ID_TEMPLATE=x@y"}, "login_providers.0.id_template: expected a template"},
		{"roles for beneficiaries", []string{national + "ROLES_CLAIM=roles"}, "login_providers.0.roles_claim: expected nothing"},
		{"an id for staff", []string{staff + "ID_TEMPLATE={sub}@x"}, "login_providers.1.id_template: expected nothing"},
		{"staff without a roles claim", []string{staff + "ROLES_CLAIM="}, "login_providers.1.roles_claim: expected the claim"},
		{"roles_from for beneficiaries", []string{national + "ROLES_FROM=id_token"}, "login_providers.0.roles_from: expected nothing"},
		{"roles from nowhere", []string{staff + "ROLES_FROM=token"}, "login_providers.1.roles_from: expected id_token"},
		{"roles from userinfo that is not asked for", []string{staff + "ROLES_FROM=userinfo"}, "login_providers.1.roles_from: expected something else"},
		{"changes by stale logins", []string{"SPAR_ADMIN__REAUTHENTICATE=9h"}, "admin.reauthenticate: expected a duration"},
		{"lists of any size", []string{"SPAR_ADMIN__MAX_IMPORT=0"}, "admin.max_import: expected megabytes from 1 to 1024"},
		{"changes by no login", []string{"SPAR_ADMIN__REAUTHENTICATE=0s"}, "admin.reauthenticate: expected a duration"},
		{"a role we do not have", []string{staff + "ROLES__SPAR_ADMIN=root"}, "login_providers.1.roles.spar-admin: expected admin or auditor"},
		{"a secret's file that does not exist", []string{staff + "CLIENT_SECRET_FILE=/none/secret"}, staff + "CLIENT_SECRET_FILE: expected the path of a readable file"},
		{"a secret and its file", []string{staff + "CLIENT_SECRET_FILE=/none/secret", staff + "CLIENT_SECRET=x"}, staff + "CLIENT_SECRET_FILE: expected either this"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := loadConfig(configFile(t, full), test.environ, true)
			if err == nil {
				t.Fatal("accepted")
			}
			if text := strings.TrimPrefix(err.Error(), "configuration: "); !strings.HasPrefix(text, test.want) || strings.Contains(text, "\n") {
				t.Errorf("error:\n%v\nwant the one problem: %s", err, test.want)
			}
		})
	}
}

func TestWaysOfServingThatAreAllowed(t *testing.T) {
	certificate, key := tlsFiles(t)
	for _, test := range []struct {
		name    string
		environ []string
	}{
		{"loopback with a public https address", nil},
		{"loopback for this machine alone", []string{"SPAR_BASE_URL=http://localhost:8080", "SPAR_LISTEN=[::1]:8080"}},
		{"behind a proxy", []string{"SPAR_LISTEN=0.0.0.0:8080", "SPAR_TRUSTED_PROXIES=10.0.0.0/8"}},
		{"native TLS", []string{"SPAR_LISTEN=:8443", "SPAR_TLS__CERTIFICATE=" + certificate, "SPAR_TLS__KEY=" + key}},
		{"a client key", []string{"SPAR_LOGIN_PROVIDERS__0__CLIENT_AUTH=private_key_jwt", "SPAR_LOGIN_PROVIDERS__0__CLIENT_SECRET=", "SPAR_LOGIN_PROVIDERS__0__CLIENT_KEY=" + key}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := loadConfig(configFile(t, full), test.environ, true); err != nil {
				t.Error(err)
			}
		})
	}
}

// tlsFiles writes a self-signed certificate and its key.
func tlsFiles(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{DNSNames: []string{"spar.example.org"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certificate, key
}

// A role that Keycloak gives to every account must not open anything.
func TestEverybodysRolesAreRefused(t *testing.T) {
	for _, role := range []string{"offline_access", "uma_authorization", "default-roles-staff"} {
		text := strings.Replace(full, "spar-auditor: auditor", role+": auditor", 1)
		_, err := loadConfig(configFile(t, text), nil, true)
		if err == nil || !strings.Contains(err.Error(), "login_providers.1.roles."+role+": expected a role of your own") {
			t.Errorf("%s: %v", role, err)
		}
	}
}
