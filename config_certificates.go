package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/keymgr"
)

// CertificatesConfig says which certificates partners may sign with.
type CertificatesConfig struct {
	MaxValidity       time.Duration `koanf:"max_validity"`        // from a certificate's begin to its end
	ClockSkew         time.Duration `koanf:"clock_skew"`          // how far a partner's clock may be ahead of ours
	ExtendedKeyUsages []string      `koanf:"extended_key_usages"` // of which a certificate must have one, if it has any
	RSAMinBits        int           `koanf:"rsa_min_bits"`
	RSAMaxBits        int           `koanf:"rsa_max_bits"`
	AllowSelfSigned   bool          `koanf:"allow_self_signed"`
	AllowCAFlag       bool          `koanf:"allow_ca_flag"`   // on self-signed certificates, as plain openssl makes them
	KnownWeakKeys     string        `koanf:"known_weak_keys"` // file with one hash a line
}

func defaultCertificates() CertificatesConfig {
	p := keymgr.DefaultPolicy()
	return CertificatesConfig{
		MaxValidity: p.MaxValidity, ClockSkew: p.ClockSkew, ExtendedKeyUsages: p.ExtendedKeyUsages,
		RSAMinBits: p.RSAMinBits, RSAMaxBits: p.RSAMaxBits, AllowSelfSigned: p.SelfSigned, AllowCAFlag: p.SelfSignedCA,
	}
}

// certificates checks the policy. The list of weak keys is read when it is needed.
func (l *loader) certificates(c CertificatesConfig) {
	keys := map[string]string{
		"MaxValidity": "max_validity", "ClockSkew": "clock_skew", "ExtendedKeyUsages": "extended_key_usages",
		"RSAMinBits": "rsa_min_bits", "RSAMaxBits": "rsa_max_bits",
	}
	field, expected := c.limits().Check()
	l.expect(field == "", join("certificates", keys[field]), "expected %s", expected)
	if c.KnownWeakKeys != "" && l.serving {
		_, err := c.policy()
		l.expect(err == nil, "certificates.known_weak_keys", "expected a list of keys: %v", err)
	}
}

func (c CertificatesConfig) limits() keymgr.Policy {
	return keymgr.Policy{
		MaxValidity: c.MaxValidity, ClockSkew: c.ClockSkew, ExtendedKeyUsages: c.ExtendedKeyUsages,
		RSAMinBits: c.RSAMinBits, RSAMaxBits: c.RSAMaxBits, SelfSigned: c.AllowSelfSigned, SelfSignedCA: c.AllowCAFlag,
	}
}

func (c CertificatesConfig) policy() (keymgr.Policy, error) {
	p := c.limits()
	if c.KnownWeakKeys == "" {
		return p, nil
	}
	file, err := os.Open(c.KnownWeakKeys)
	if err != nil {
		return p, fmt.Errorf("open list of weak keys: %w", err)
	}
	defer file.Close()
	if p.KnownWeak, err = keymgr.ReadWeakKeys(file); err != nil {
		return p, fmt.Errorf("%s: %w", c.KnownWeakKeys, err)
	}
	return p, nil
}

// register opens the register of partners by the configured rules. Without an audit log it can only be read.
func (c Config) register(db *sqlx.DB, trail *audit.Log) (*keymgr.Register, error) {
	policy, err := c.Certificates.policy()
	if err != nil {
		return nil, err
	}
	return keymgr.NewRegister(db, c.Application, trail, time.Now, keymgr.WithPolicy(policy), keymgr.WithTwoPersons(c.Onboarding.TwoPerson),
		keymgr.WithGeneralLimits(keymgr.Limits{
			MaxBatch: c.Mapper.MaxBatch, ItemsPerSecond: c.Limits.ItemsPerSecond, BulkItemsPerSecond: c.Limits.BulkItemsPerSecond,
		})), nil
}

// parseDuration reads what Go does, and whole days such as 825d.
func parseDuration(text string) (time.Duration, error) {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.ParseUint(number, 10, 16)
		return time.Duration(days) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}
