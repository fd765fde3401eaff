package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// mosipEnviron is what a key manager elsewhere needs.
func mosipEnviron(more ...string) []string {
	return append([]string{
		"SPAR_KEY_MANAGER__MODE=mosip", "SPAR_KEY_MANAGER__URL=https://keys.example.org/v1/keymanager",
		"SPAR_KEY_MANAGER__TOKEN_URL=https://iam.example.org/realms/mosip/protocol/openid-connect/token",
		"SPAR_KEY_MANAGER__CLIENT_ID=spar", "SPAR_KEY_MANAGER__CLIENT_SECRET=key-manager-secret",
	}, more...)
}

func TestConfigurationOfAKeyManager(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := slices.DeleteFunc(mosipEnviron("SPAR_KEY_MANAGER__CLIENT_SECRET_FILE="+secret), func(v string) bool {
		return strings.HasPrefix(v, "SPAR_KEY_MANAGER__CLIENT_SECRET=")
	})
	cfg, err := loadConfig(configFile(t, minimal), environ, true)
	if err != nil {
		t.Fatal(err)
	}
	got := cfg.mosip()
	if got.ClientSecret != "from a file" || got.ApplicationID != "openg2p-spar-mapper" || got.Timeout != 3*time.Second ||
		got.PreExpireDays != 30 || got.SendBearer || got.URL != "https://keys.example.org/v1/keymanager" {
		t.Errorf("got %+v", got)
	}
	text, err := cfg.dump()
	if err != nil || strings.Contains(string(text), "from a file") {
		t.Errorf("the dump shows the secret: %v\n%s", err, text)
	}
	if _, err := loadConfig(configFile(t, minimal), mosipEnviron("SPAR_KEY_MANAGER__URL=http://127.0.0.1:8088/v1/keymanager"), true); err != nil {
		t.Errorf("http on a loopback address: %v", err)
	}
}

func TestConfigurationOfAKeyManagerRefuses(t *testing.T) {
	noPEM := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for set, want := range map[string]string{
		"MODE=remote":                           "key_manager.mode: expected local or mosip",
		"URL=":                                  "key_manager.url: expected an https URL",
		"URL=http://keys.example.org":           "key_manager.url: expected an https URL",
		"URL=https://u:p@keys.example.org":      "key_manager.url: expected an https URL",
		"TOKEN_URL=":                            "key_manager.token_url: expected an https URL",
		"TOKEN_URL=http://iam.example.org":      "key_manager.token_url: expected an https URL",
		"APPLICATION_ID= ":                      "key_manager.application_id: expected a letter",
		"CLIENT_ID=":                            "key_manager.client_id: expected",
		"CLIENT_SECRET=":                        "key_manager.client_secret: expected",
		"TIMEOUT=4s":                            "key_manager.timeout: expected a duration from 100ms to 3s",
		"TIMEOUT=0s":                            "key_manager.timeout: expected a duration from 100ms to 3s",
		"PRE_EXPIRE_DAYS=-1":                    "key_manager.pre_expire_days: expected a number from 0",
		"SEND_BEARER=1":                         "key_manager.send_bearer: expected true or false",
		"CA_FILE=" + noPEM:                      "key_manager.ca_file: expected the path of a PEM file",
		"CA_FILE=" + noPEM + ".missing":         "key_manager.ca_file: expected the path of a PEM file",
		"KEY=x":                                 "key_manager.key: unknown key",
		"CLIENT_SECRET_FILE=" + noPEM + ".none": "SPAR_KEY_MANAGER__CLIENT_SECRET_FILE: expected",
	} {
		name, _, _ := strings.Cut(set, "=")
		environ := slices.DeleteFunc(mosipEnviron(), func(v string) bool { return strings.HasPrefix(v, "SPAR_KEY_MANAGER__"+name+"=") })
		_, err := loadConfig(configFile(t, minimal), append(environ, "SPAR_KEY_MANAGER__"+set), true)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "key-manager-secret") {
			t.Errorf("%s: %v; want %q", set, err, want)
		}
	}
}
