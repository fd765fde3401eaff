package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"spar/keymgr"
)

const (
	sqlitePrefix = "sqlite://"
	longestKeep  = 3650 * 24 * time.Hour
)

// longestHold is how long a change may be made to wait.
const longestHold = 30 * 24 * time.Hour

var regionPattern = regexp.MustCompile(`^[A-Z]{2}$`)

// validate reports every value that cannot work, wherever it came from. What only one command needs is checked there.
func (l *loader) validate(c *Config) {
	l.listening(c)
	l.database(c)
	l.expect(c.Keys.Dir != "", "keys.dir", "expected the path of a directory")
	l.expect(c.Application != "", "application", "expected the name of the service partners are registered for")
	l.expect(c.Session.Idle >= time.Minute && c.Session.Idle <= c.Session.Lifetime, "session.idle", "expected a duration from 1m to session.lifetime")
	l.expect(c.Session.Lifetime >= time.Minute && c.Session.Lifetime <= 24*time.Hour, "session.lifetime", "expected a duration from 1m to 24h")
	l.expect(c.Admin.MaxImport >= 1 && c.Admin.MaxImport <= 1024, "admin.max_import", "expected megabytes from 1 to 1024")
	l.expect(c.Admin.Reauthenticate >= time.Minute && c.Admin.Reauthenticate <= c.Session.Lifetime, "admin.reauthenticate", "expected a duration from 1m to session.lifetime")
	for _, problem := range c.Brand.options().Check(l.serving) {
		l.expect(false, "brand."+problem.Key, "%s", problem.Text)
	}
	l.keyManager(c)
	registry, registryOK := parseBase(c.Mapper.URL)
	l.expect(c.Mapper.URL == "" || registryOK && (registry.Scheme == "https" || isLoopback(registry.Hostname())), "mapper.url",
		"expected nothing, or the https:// address of a registry elsewhere, with no path")
	l.expect(c.Mapper.MaxBatch >= 1 && c.Mapper.MaxBatch <= keymgr.LargestBatch, "mapper.max_batch", "expected a number from 1 to %d", keymgr.LargestBatch)
	l.expect(c.Mapper.MessageWindow >= time.Second && c.Mapper.MessageWindow <= time.Hour, "mapper.message_window", "expected a duration from 1s to 1h")
	l.expect(c.Mapper.DefaultRegion == "" || regionPattern.MatchString(c.Mapper.DefaultRegion), "mapper.default_region", "expected a country of ISO 3166 in two capital letters, such as PH")
	for key, n := range map[string]int{
		"items_per_second": c.Limits.ItemsPerSecond, "capacity": c.Limits.Capacity, "bulk_items_per_second": c.Limits.BulkItemsPerSecond,
		"bulk_capacity": c.Limits.BulkCapacity, "bulk_from": c.Limits.BulkFrom, "miss_cost": c.Limits.MissCost,
		"login_requests": c.Limits.LoginRequests,
	} {
		l.expect(n >= 1 && n <= keymgr.LargestRate, "limits."+key, "expected a number from 1 to %d", keymgr.LargestRate)
	}
	l.expect(c.Changes.Hold == 0 || c.Changes.Hold >= time.Hour && c.Changes.Hold <= longestHold, "changes.hold", "expected 0, or a duration from 1h to 30d")
	l.expect(c.Lookups.Keep >= 24*time.Hour && c.Lookups.Keep <= longestKeep, "lookups.keep", "expected a duration from 1d to 3650d")
	l.expect(slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level), "log.level", "expected debug, info, warn or error")
	l.certificates(c.Certificates)
	l.notices(c)
	l.providers(c)
}

// expect adds a problem unless the condition holds. A key that could not be read has been reported already.
func (l *loader) expect(ok bool, key, format string, args ...any) {
	reported := slices.ContainsFunc(l.problems, func(p string) bool { return strings.HasPrefix(p, key+":") || strings.HasPrefix(p, key+".") })
	if !ok && !reported {
		l.add(key, format, args...)
	}
}

// listening keeps plain HTTP off the network: sessions and payment data go over it.
func (l *loader) listening(c *Config) {
	host, ok := hostOf(c.Listen)
	l.expect(ok, "listen", "expected host:port, such as 127.0.0.1:8080")
	_, opsOK := hostOf(c.OpsListen)
	l.expect(opsOK, "ops_listen", "expected host:port, such as 127.0.0.1:9090")
	l.expect(c.OpsListen != c.Listen || strings.HasSuffix(c.Listen, ":0"), "ops_listen", "expected another address than listen: health and metrics are never public")
	for i, proxy := range c.TrustedProxies {
		_, err := netip.ParsePrefix(proxy)
		l.expect(err == nil, join("trusted_proxies", strconv.Itoa(i)), "expected a network in CIDR form, such as 10.0.0.0/8")
	}
	native := c.TLS.Certificate != "" && c.TLS.Key != ""
	l.expect(native || c.TLS.Certificate == "", "tls.key", "expected the path of a PEM file, because tls.certificate is set")
	l.expect(native || c.TLS.Key == "", "tls.certificate", "expected the path of a PEM file, because tls.key is set")

	if native && l.serving {
		_, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
		l.expect(err == nil, "tls", "expected a certificate and its private key: %v", err)
	}
	if c.BaseURL == "" && !l.serving {
		return
	}
	base, baseOK := parseBase(c.BaseURL)
	l.expect(baseOK, "base_url", "expected the public address, such as https://spar.example.org, with no path")
	if !ok || !baseOK {
		return
	}
	secure := base.Scheme == "https"
	l.expect(secure || !native, "base_url", "expected https://, because tls is set")
	l.expect(secure || isLoopback(base.Hostname()), "base_url", "expected https://, because the host is not a loopback address")
	l.expect(native || isLoopback(host) || len(c.TrustedProxies) > 0 && secure, "listen",
		"expected a loopback address, or tls, or trusted_proxies with an https base_url: plain HTTP is served to nobody else")
}

func (l *loader) database(c *Config) {
	path, sqlite := strings.CutPrefix(c.Database.URL, sqlitePrefix)
	u, err := url.Parse(c.Database.URL)
	postgres := err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql")
	l.expect(sqlite && path != "" || postgres, "database.url", "expected sqlite:///path/of/file or postgres://user:password@host/database")
}

// parseBase accepts the URL of a host: everything else about addresses is ours.
func parseBase(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return nil, false
	}
	return u, (u.Path == "" || u.Path == "/") && u.RawQuery == "" && u.Fragment == ""
}

func hostOf(address string) (string, bool) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return host, err == nil && n <= 65535
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// readKey checks that a PEM file holds a private key, without keeping it.
func readKey(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return fmt.Errorf("%s holds no PEM block", path)
	}
	if _, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return nil
	}
	if _, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return nil
	}
	if _, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return nil
	}
	return fmt.Errorf("%s holds no private key", path)
}
