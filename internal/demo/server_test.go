package demo_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"spar/internal/demo"
)

func listen(t *testing.T, dir, address string) *demo.Server {
	t.Helper()
	s, err := demo.Listen(dir, address, "http://127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestServerAnswersAtItsIssuerUntilTold(t *testing.T) {
	s := listen(t, t.TempDir(), "127.0.0.1:0")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if _, err := oidc.NewProvider(t.Context(), s.Issuer()); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(s.Issuer()); err == nil {
		t.Error("it still answers")
	}
}

func TestServerTakesAnotherPortIfItsOwnIsTaken(t *testing.T) {
	first := listen(t, t.TempDir(), "127.0.0.1:0")
	second := listen(t, t.TempDir(), strings.TrimPrefix(first.Issuer(), "http://"))
	if first.Issuer() == second.Issuer() || !strings.HasPrefix(second.Issuer(), "http://127.0.0.1:") {
		t.Errorf("got %s and %s", first.Issuer(), second.Issuer())
	}
}

func TestServerRefusesAddressesThatOthersReach(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.org:0", "nonsense"} {
		if s, err := demo.Listen(t.TempDir(), address, "http://127.0.0.1:8080"); err == nil {
			s.Close()
			t.Errorf("%s was accepted", address)
		}
	}
}

func TestKeysAreKeptAndPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	read := func() map[string]string {
		texts := map[string]string{}
		listen(t, dir, "127.0.0.1:0").Close()
		for _, name := range []string{"login-client.pem", "login-provider.pem"} {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
			}
			texts[name] = string(text)
		}
		return texts
	}
	first, second := read(), read()
	if len(first) != 2 || first["login-client.pem"] != second["login-client.pem"] || first["login-provider.pem"] != second["login-provider.pem"] {
		t.Error("a second start made new keys")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
}

func TestRSAKeyRefusesWhatIsNoKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := demo.RSAKey(path); err == nil {
		t.Error("accepted")
	}
}

func TestLoginProvidersMatchTheConfiguration(t *testing.T) {
	s := listen(t, t.TempDir(), "127.0.0.1:0")
	list := s.LoginProviders()
	if len(list) != 2 {
		t.Fatalf("got %d", len(list))
	}
	people, staff := list[0], list[1]
	if people.Audience != "beneficiary" || people.IDTemplate != "token:{individual_id}@nationalid" || people.Userinfo != "signed" ||
		people.RolesClaim != "" || len(people.Roles) != 0 || people.Issuer != s.Issuer() {
		t.Errorf("people: %+v", people)
	}
	if staff.Audience != "staff" || staff.IDTemplate != "" || staff.Roles[demo.StaffRole] != "admin" || staff.ClientID == people.ClientID {
		t.Errorf("staff: %+v", staff)
	}
	if _, err := demo.RSAKey(people.ClientKey); err != nil {
		t.Error(err)
	}
}
