package handlers_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"spar/internal/demo"
	"spar/web"
)

// The demo's provider: private_key_jwt, signed userinfo, pairwise subjects, RP-initiated logout.
func TestLoginAtTheDemoProvider(t *testing.T) {
	file, public := clientKey(t, "RSA")
	providerKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	a := newLoginApp(t, &testClock{now: time.Now()}, func(base string) []web.LoginProvider {
		p, err := demo.NewProvider(demo.ProviderOptions{Issuer: server.URL, Key: providerKey, Clients: []demo.Client{{
			ID: "spar", Name: "SPAR", Key: public, RedirectURIs: []string{base + web.CallbackPath}, PostLogoutRedirectURIs: []string{base + "/"},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		handler = p.Handler()
		return []web.LoginProvider{{
			ID: "national-id", Name: map[string]string{"en": "National ID"}, Audience: web.Beneficiary, Issuer: server.URL, ClientID: "spar",
			ClientAuth: "private_key_jwt", ClientKey: file, Scopes: []string{"openid", "profile"}, Userinfo: "signed",
			IDTemplate: "token:{individual_id}@nationalid",
		}}
	})
	person := demo.People()[0]
	browser := newBrowser(t)
	choose := func(path string) {
		t.Helper()
		_, page, _ := a.page(browser, path)
		document, err := goquery.NewDocumentFromReader(strings.NewReader(page))
		if err != nil {
			t.Fatal(err)
		}
		id, _ := document.Find("form input[name=id]").Attr("value")
		resp, err := browser.PostForm(server.URL+"/login", url.Values{"id": {id}, "person": {person.Key}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	choose("/account")
	if got := a.user(browser); got != person.MapperID() {
		t.Fatalf("signed in as %q: %s", got, a.log)
	}
	a.clock.Advance(6 * time.Minute)
	// The provider goes by the real time, so for the portal its auth_time is six minutes old: not fresh.
	choose("/account/check")
	if resp := step(t, browser, a.server.URL+"/account/check"); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("got %s", resp.Status)
	}
	out := a.post(browser, "/auth/logout", url.Values{})
	resp := step(t, browser, out.Header.Get("Location"))
	if got := resp.Header.Get("Location"); !strings.HasPrefix(got, a.server.URL+"/?state=") || a.user(browser) != "" {
		t.Errorf("logout: %s to %s", resp.Status, got)
	}
}

// zitadelStorage lets the example storage of the library's certified provider know its client by any method.
type zitadelStorage struct {
	*storage.Storage
	method oidc.AuthMethod
}

type zitadelClient struct {
	op.Client
	method oidc.AuthMethod
}

func (c zitadelClient) AuthMethod() oidc.AuthMethod { return c.method }

func (s zitadelStorage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	client, err := s.Storage.GetClientByClientID(ctx, id)
	return zitadelClient{client, s.method}, err
}

func (s zitadelStorage) AuthorizeClientIDSecret(ctx context.Context, id, secret string) error {
	if s.method == oidc.AuthMethodNone {
		return errors.New("this client has no secret")
	}
	return s.Storage.AuthorizeClientIDSecret(ctx, id, secret)
}

func TestLoginAtZitadel(t *testing.T) {
	const secret = "zitadel/s3cret+&="
	for _, method := range []oidc.AuthMethod{oidc.AuthMethodBasic, oidc.AuthMethodPost, oidc.AuthMethodNone} {
		t.Run(string(method), func(t *testing.T) {
			var handler http.Handler
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
			t.Cleanup(server.Close)
			a := newLoginApp(t, &testClock{now: time.Now()}, func(base string) []web.LoginProvider {
				storage.RegisterClients(storage.WebClient("spar-"+string(method), secret, base+web.CallbackPath))
				handler = newZitadel(t, server.URL, method)
				c := web.LoginProvider{
					ID: "national-id", Name: map[string]string{"en": "Zitadel"}, Audience: web.Beneficiary, Issuer: server.URL,
					ClientID: "spar-" + string(method), ClientAuth: string(method), Scopes: []string{"openid", "profile"}, Userinfo: "plain",
					IDTemplate: "token:{sub}@zitadel",
				}
				if method != oidc.AuthMethodNone {
					c.ClientSecret = secret
				}
				return []web.LoginProvider{c}
			})
			browser := newBrowser(t)
			a.page(browser, "/auth/login/national-id")
			if got := a.user(browser); got != "token:id2@zitadel" {
				t.Errorf("signed in as %q: %s", got, a.log)
			}
		})
	}
}

// newZitadel is the provider with a login page that logs everybody in at once.
func newZitadel(t *testing.T, issuer string, method oidc.AuthMethod) http.Handler {
	t.Helper()
	s := zitadelStorage{storage.NewStorage(storage.NewUserStore(issuer)), method}
	config := &op.Config{CodeMethodS256: true, AuthMethodPost: true, SupportedScopes: []string{"openid", "profile"}}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		t.Fatal(err)
	}
	provider, err := op.NewProvider(config, s, op.StaticIssuer(issuer), op.WithAllowInsecure())
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	interceptor := op.NewIssuerInterceptor(provider.IssuerFromRequest)
	mux.Handle("/login/username", interceptor.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("authRequestID")
		if err := s.CheckUsernamePassword("test-user2", "verysecure", id); err != nil {
			t.Error(err)
		}
		http.Redirect(w, r, op.AuthCallbackURL(provider)(r.Context(), id), http.StatusFound)
	}))
	mux.Handle("/", provider)
	return mux
}
