package keymgr

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// hostName is a name of at least two labels whose last one is not a number in any of the spellings that URL readers take
// for an IPv4 address: decimal, octal, hexadecimal.
var hostName = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$`)

// checkCallbackURL accepts the public https address of a service. Names that lead into our own network and addresses in
// place of names are refused, so that no partner can make this server call something beside it. What a name resolves to
// can change: whoever calls must look again.
func checkCallbackURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || len(text) > maxCallbackURL || u.Scheme != "https" || u.User != nil || u.Fragment != "" || u.Opaque != "" || strings.Contains(text, "#") {
		return fmt.Errorf("%w callback URL: expected https://host/path without user and fragment, at most %d bytes", ErrInvalid, maxCallbackURL)
	}
	if !slices.Contains([]string{"", "443", "8443"}, u.Port()) || strings.HasSuffix(u.Host, ":") {
		return fmt.Errorf("%w callback URL: expected port 443 or 8443", ErrInvalid)
	}
	if !isPublicName(strings.ToLower(u.Hostname())) {
		return fmt.Errorf("%w callback URL: expected a public host name, such as bank.example.org", ErrInvalid)
	}
	return nil
}

func isPublicName(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || len(host) > 253 || !hostName.MatchString(host) {
		return false
	}
	for _, private := range []string{"localhost", "local", "internal", "intranet", "lan", "home.arpa", "in-addr.arpa", "ip6.arpa"} {
		if strings.HasSuffix(host, "."+private) {
			return false
		}
	}
	return true
}
