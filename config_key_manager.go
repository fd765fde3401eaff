package main

import (
	"regexp"
	"time"

	"spar/keymgr"
	"spar/keymgr/mosip"
)

// What checks partners' signatures.
const (
	keyManagerLocal = "local"
	keyManagerMOSIP = "mosip"
)

// KeyManager chooses what checks partners' signatures: local, our own register; or mosip, a MOSIP Key Manager as well.
// Everything but the mode is about that one.
type KeyManager struct {
	Mode          string        `koanf:"mode"`
	URL           string        `koanf:"url"`            // of the service: https://host/v1/keymanager
	ApplicationID string        `koanf:"application_id"` // there; empty: application
	TokenURL      string        `koanf:"token_url"`      // OAuth 2.0 client credentials
	ClientID      string        `koanf:"client_id"`
	ClientSecret  string        `koanf:"client_secret" secret:"whole"`
	Timeout       time.Duration `koanf:"timeout"`         // of one question
	CAFile        string        `koanf:"ca_file"`         // PEM; empty: the system's authorities
	SendBearer    bool          `koanf:"send_bearer"`     // the token in the Authorization header as well as in the cookie
	PreExpireDays int           `koanf:"pre_expire_days"` // how long before its end it stops using a certificate
}

const maxPreExpireDays = 365

var applicationIDPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)

// keyManager checks what the mode needs.
func (l *loader) keyManager(c *Config) {
	k := c.KeyManager
	l.expect(k.Mode == keyManagerLocal || k.Mode == keyManagerMOSIP, "key_manager.mode", "expected %s or %s", keyManagerLocal, keyManagerMOSIP)
	if k.Mode != keyManagerMOSIP {
		return
	}
	const address = "expected an https URL (http only on a loopback address), because key_manager.mode is mosip"
	l.expect(isIssuer(k.URL), "key_manager.url", address)
	l.expect(isIssuer(k.TokenURL), "key_manager.token_url", address)
	l.expect(applicationIDPattern.MatchString(c.keyManagerApplication()), "key_manager.application_id", "expected a letter or digit, then at most 63 letters, digits or . _ : -")
	l.expect(k.ClientID != "", "key_manager.client_id", "expected the id that the key manager's token server knows this service by")
	l.expect(k.ClientSecret != "", "key_manager.client_secret", "expected the client's secret")
	l.expect(k.Timeout >= 100*time.Millisecond && k.Timeout <= mosip.MaxTimeout, "key_manager.timeout", "expected a duration from 100ms to %s", mosip.MaxTimeout)
	l.expect(k.PreExpireDays >= 0 && k.PreExpireDays <= maxPreExpireDays, "key_manager.pre_expire_days", "expected a number from 0 to %d", maxPreExpireDays)
	if l.serving && k.CAFile != "" {
		_, err := mosip.ReadAuthorities(k.CAFile)
		l.expect(err == nil, "key_manager.ca_file", "expected the path of a PEM file of certificates: %v", err)
	}
}

func (c Config) keyManagerApplication() string {
	if c.KeyManager.ApplicationID == "" {
		return c.Application
	}
	return c.KeyManager.ApplicationID
}

func (c Config) mosip() mosip.Config {
	k := c.KeyManager
	return mosip.Config{
		URL: k.URL, ApplicationID: c.keyManagerApplication(), TokenURL: k.TokenURL, ClientID: k.ClientID, ClientSecret: k.ClientSecret,
		Timeout: k.Timeout, CAFile: k.CAFile, SendBearer: k.SendBearer, PreExpireDays: k.PreExpireDays,
	}
}

// newKeyManager joins the key manager elsewhere and the register; nil if there is none. observe may be nil.
func newKeyManager(c Config, register *keymgr.Register, local *keymgr.Local, observe func(call, outcome string, took time.Duration)) (*mosip.KeyManager, error) {
	if c.KeyManager.Mode != keyManagerMOSIP {
		return nil, nil
	}
	settings := c.mosip()
	settings.Observe = observe
	client, err := mosip.NewClient(settings)
	if err != nil {
		return nil, err
	}
	return mosip.New(client, register, local), nil
}
