package main

import (
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"spar/internal/notices"
)

// NoticesConfig says how people are told of changes of their link. With neither channel, nobody is.
type NoticesConfig struct {
	PortalURL string        `koanf:"portal_url"` // where people reach the portal; empty: base_url
	Keep      time.Duration `koanf:"keep"`       // how long it is remembered that a notice was sent or given up
	Email     EmailConfig   `koanf:"email"`
	SMS       SMSConfig     `koanf:"sms"`
}

// EmailConfig is a mail server that takes messages from us.
type EmailConfig struct {
	URL       string        `koanf:"url" secret:"url"` // smtp://user:password@host:587, or smtps:// with port 465
	From      string        `koanf:"from"`
	StartTLS  bool          `koanf:"starttls"` // of smtp://
	PerSecond int           `koanf:"per_second"`
	Timeout   time.Duration `koanf:"timeout"`
}

// SMSConfig is a gateway that takes text messages over HTTP.
type SMSConfig struct {
	URL       string         `koanf:"url" secret:"url"`
	Format    string         `koanf:"format"` // json or form
	Fields    map[string]any `koanf:"fields"` // with {number} or {digits}, {text}, and if need be {id} and {secret}
	Auth      string         `koanf:"auth"`   // bearer, basic, header or none
	Header    string         `koanf:"header"` // with header: its name
	User      string         `koanf:"user"`   // with basic
	Secret    string         `koanf:"secret" secret:"whole"`
	PerSecond int            `koanf:"per_second"`
	Timeout   time.Duration  `koanf:"timeout"`
}

const (
	smsJSON = "json"
	smsForm = "form"

	maxPerSecond = 50
)

var headerPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,63}$`)

func defaultNotices() NoticesConfig {
	return NoticesConfig{
		Keep:  30 * 24 * time.Hour,
		Email: EmailConfig{StartTLS: true, PerSecond: 10, Timeout: 10 * time.Second},
		SMS:   SMSConfig{Format: smsJSON, Auth: notices.AuthBearer, PerSecond: 10, Timeout: 10 * time.Second},
	}
}

// enabled reports whether anybody is told of changes.
func (n NoticesConfig) enabled() bool { return n.Email.URL != "" || n.SMS.URL != "" }

// notices checks what the channels need that are set.
func (l *loader) notices(c *Config) {
	n := c.Notices
	portal, ok := parseBase(n.PortalURL)
	l.expect(n.PortalURL == "" || ok && (portal.Scheme == "https" || isLoopback(portal.Hostname())), "notices.portal_url",
		"expected nothing, or the https:// address of the portal, with no path")
	l.expect(n.Keep >= 24*time.Hour && n.Keep <= 366*24*time.Hour, "notices.keep", "expected a duration from 1d to 366d")
	l.expect(!n.enabled() || c.Mapper.URL == "", "notices", "expected neither email nor sms, because mapper.url is set: the registry tells people, not a portal apart from it")
	if n.Email.URL != "" {
		l.email(n.Email)
	}
	if n.SMS.URL != "" {
		l.sms(n.SMS)
	}
}

func (l *loader) email(e EmailConfig) {
	u, err := url.Parse(e.URL)
	ok := err == nil && (u.Scheme == "smtp" || u.Scheme == "smtps") && u.Hostname() != "" && strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment == ""
	l.expect(ok, "notices.email.url", "expected smtp://user:password@host:587 or smtps://user:password@host:465")
	l.expect(!ok || e.StartTLS || u.Scheme == "smtps" || isLoopback(u.Hostname()), "notices.email.starttls", "expected true, because the mail server is not on a loopback address")
	from, err := mail.ParseAddress(e.From)
	l.expect(err == nil && strings.Contains(from.Address, "@"), "notices.email.from", `expected a sender such as "Social Payments <no-reply@spar.example.org>"`)
	l.pace("notices.email", e.PerSecond, e.Timeout)
}

func (l *loader) sms(s SMSConfig) {
	u, err := url.Parse(s.URL)
	l.expect(err == nil && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())), "notices.sms.url",
		"expected an https URL (http only on a loopback address) without user, password and query: these are for auth and fields")
	l.expect(s.Format == smsJSON || s.Format == smsForm, "notices.sms.format", "expected %s or %s", smsJSON, smsForm)
	all := fmt.Sprint(s.Fields)
	l.expect(strings.Contains(all, notices.TextPlaceholder) && (strings.Contains(all, notices.NumberPlaceholder) || strings.Contains(all, notices.DigitsPlaceholder)),
		"notices.sms.fields", "expected the gateway's fields, with %s or %s and %s among their values", notices.NumberPlaceholder, notices.DigitsPlaceholder, notices.TextPlaceholder)
	if s.Format == smsForm {
		for name, value := range s.Fields {
			switch value.(type) {
			case map[string]any, []any:
				l.expect(false, "notices.sms.fields."+name, "expected a single value, because the format is form")
			}
		}
	}
	l.expect(slices.Contains([]string{notices.AuthBearer, notices.AuthBasic, notices.AuthHeader, notices.AuthNone}, s.Auth), "notices.sms.auth", "expected bearer, basic, header or none")
	l.expect(s.Secret != "" || s.Auth == notices.AuthNone, "notices.sms.secret", "expected the secret that the gateway knows us by, because auth is %s", s.Auth)
	l.expect(!strings.ContainsFunc(s.Secret, unicode.IsControl), "notices.sms.secret", "expected one line")
	l.expect(s.User != "" || s.Auth != notices.AuthBasic, "notices.sms.user", "expected a user, because auth is basic")
	l.expect(s.Auth != notices.AuthHeader || headerPattern.MatchString(s.Header), "notices.sms.header", "expected the name of a header, such as X-Api-Key, because auth is header")
	l.pace("notices.sms", s.PerSecond, s.Timeout)
}

func (l *loader) pace(key string, perSecond int, timeout time.Duration) {
	l.expect(perSecond >= 1 && perSecond <= maxPerSecond, key+".per_second", "expected a number from 1 to %d", maxPerSecond)
	l.expect(timeout >= time.Second && timeout <= 30*time.Second, key+".timeout", "expected a duration from 1s to 30s")
}

// channels are the ways to reach people that the configuration describes.
func (n NoticesConfig) channels() ([]notices.Channel, error) {
	var list []notices.Channel
	if n.Email.URL != "" {
		sender, err := n.Email.sender()
		if err != nil {
			return nil, err
		}
		list = append(list, notices.Channel{Name: notices.Email, Sender: sender, PerSecond: n.Email.PerSecond, Timeout: n.Email.Timeout})
	}
	if n.SMS.URL != "" {
		list = append(list, notices.Channel{Name: notices.SMS, Sender: n.SMS.sender(), PerSecond: n.SMS.PerSecond, Timeout: n.SMS.Timeout})
	}
	return list, nil
}

func (e EmailConfig) sender() (*notices.SMTP, error) {
	u, err := url.Parse(e.URL)
	if err != nil { // its text would repeat the password
		return nil, fmt.Errorf("notices.email.url is not a URL")
	}
	from, err := mail.ParseAddress(e.From)
	if err != nil {
		return nil, fmt.Errorf("notices.email.from: %w", err)
	}
	sender := &notices.SMTP{Host: u.Hostname(), Port: 587, User: u.User.Username(), From: *from}
	sender.Password, _ = u.User.Password()
	switch {
	case u.Scheme == "smtps":
		sender.TLS, sender.Port = notices.Implicit, 465
	case !e.StartTLS:
		sender.TLS = notices.Plain
	}
	if port := u.Port(); port != "" {
		if sender.Port, err = strconv.Atoi(port); err != nil {
			return nil, fmt.Errorf("notices.email.url: its port is not a number")
		}
	}
	return sender, nil
}

func (s SMSConfig) sender() *notices.Gateway {
	return &notices.Gateway{
		URL: s.URL, Form: s.Format == smsForm, Fields: s.Fields, Auth: s.Auth, Header: s.Header, User: s.User, Secret: s.Secret,
	}
}
