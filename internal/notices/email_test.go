package notices_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/internal/notices"
	"spar/mapper"
	"spar/migrations/dbtest"
)

// mailServer is a real SMTP server that keeps what it takes, and refuses what a test has it refuse.
type mailServer struct {
	host        string
	port        int
	certificate *x509.Certificate

	mail, rcpt, data, auth error
	slow                   chan struct{} // answers nobody before it is closed

	mu       sync.Mutex
	received []*mail.Message
	to       []string
	login    string
}

type mailOptions struct {
	implicitTLS bool
	startTLS    bool
}

func newMailServer(t *testing.T, o mailOptions) *mailServer {
	t.Helper()
	s := &mailServer{host: "localhost"}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{server: s}, nil }))
	server.Domain, server.ErrorLog, server.AllowInsecureAuth = "mail.example.org", log.New(io.Discard, "", 0), true
	certificate, parsed := selfSigned(t)
	s.certificate = parsed
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	if o.startTLS {
		server.TLSConfig, server.AllowInsecureAuth = config, false
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	if o.implicitTLS {
		listener = tls.NewListener(listener, config)
	}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return s
}

// sender sends to the server as the mode wants it.
func (s *mailServer) sender(mode notices.TLSMode) *notices.SMTP {
	trusted := x509.NewCertPool()
	trusted.AddCert(s.certificate)
	return &notices.SMTP{
		Host: s.host, Port: s.port, TLS: mode, Config: &tls.Config{RootCAs: trusted},
		From: mail.Address{Name: "Soziale Leistungen für alle", Address: "no-reply@spar.example.org"},
	}
}

type mailSession struct {
	server *mailServer
	to     string
}

func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }
func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	if s.server.slow != nil {
		<-s.server.slow
	}
	return s.server.mail
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return s.server.rcpt
}

func (s *mailSession) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	m.Body = bytes.NewReader(body)
	if s.server.data != nil {
		return s.server.data
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.received, s.server.to = append(s.server.received, m), append(s.server.to, s.to)
	return nil
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.login = user + ":" + password
		return s.server.auth
	}), nil
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, parsed
}

func TestEmail(t *testing.T) {
	for _, test := range []struct {
		name   string
		server mailOptions
		mode   notices.TLSMode
		login  bool
	}{
		{"STARTTLS with a login", mailOptions{startTLS: true}, notices.STARTTLS, true},
		{"TLS from the start with a login", mailOptions{implicitTLS: true}, notices.Implicit, true},
		{"plain", mailOptions{}, notices.Plain, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := newMailServer(t, test.server)
			sender := server.sender(test.mode)
			if test.login {
				sender.User, sender.Password = "spar", "pass word/marker"
			}
			w := newWorld(t, dbtest.SQLite(t), channel(notices.Email, sender))
			change := do(t, w.registry.Link, self(), item(mailbox, "", "en")).ChangeID
			w.deliver(t)
			w.expectStates(t, "1 email delivered")
			if len(server.received) != 1 {
				t.Fatalf("%d messages; %s", len(server.received), w.log)
			}
			m := server.received[0]
			if test.login && server.login != "spar:pass word/marker" {
				t.Errorf("logged in as %q", server.login)
			}
			from, err := m.Header.AddressList("From")
			if err != nil || from[0].String() != sender.From.String() {
				t.Errorf("From %v (%v)", from, err)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if err != nil || subject != "An account was linked to your social benefits" {
				t.Errorf("Subject %q (%v)", subject, err)
			}
			got := map[string]string{}
			for _, name := range []string{"To", "Auto-Submitted", "User-Agent", "X-Mailer", "Content-Type", "Bcc", "Cc"} {
				got[name] = m.Header.Get(name)
			}
			want := map[string]string{
				"To": "<maria.dangelo@example.org>", "Auto-Submitted": "auto-generated", "User-Agent": "", "X-Mailer": "",
				"Content-Type": "text/plain; charset=UTF-8", "Bcc": "", "Cc": "",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(body), "https://spar.example.org/account/history/"+change+"/not-me") {
				t.Errorf("body %s", body)
			}
			if strings.Contains(w.log.String(), "marker") {
				t.Errorf("log %s", w.log)
			}
		})
	}
}

// What a mail server refuses for good is given up at once; everything else is tried again.
func TestEmailFailures(t *testing.T) {
	reply := func(code int) error { return &smtp.SMTPError{Code: code, Message: "no maria.dangelo@example.org here"} }
	withLogin := func(s *notices.SMTP) { s.User, s.Password = "spar", "marker" }
	for _, test := range []struct {
		name    string
		server  mailOptions
		refuse  func(s *mailServer)
		mode    notices.TLSMode
		sender  func(s *notices.SMTP)
		state   string
		failure string
	}{
		{"no such mailbox", mailOptions{}, func(s *mailServer) { s.rcpt = reply(550) }, notices.Plain, nil, notices.GivenUp, notices.FailRefused},
		{"not now", mailOptions{}, func(s *mailServer) { s.rcpt = reply(451) }, notices.Plain, nil, notices.Queued, notices.FailBusy},
		{"content refused", mailOptions{}, func(s *mailServer) { s.data = reply(554) }, notices.Plain, nil, notices.GivenUp, notices.FailRefused},
		{"content not now", mailOptions{}, func(s *mailServer) { s.data = reply(452) }, notices.Plain, nil, notices.Queued, notices.FailBusy},
		{"sender refused", mailOptions{}, func(s *mailServer) { s.mail = reply(550) }, notices.Plain, nil, notices.Queued, notices.FailSetup},
		{"login refused", mailOptions{startTLS: true}, func(s *mailServer) { s.auth = smtp.ErrAuthFailed }, notices.STARTTLS, withLogin, notices.Queued, notices.FailSetup},
		{"no STARTTLS", mailOptions{}, nil, notices.STARTTLS, withLogin, notices.Queued, notices.FailSetup},
		{"another's certificate", mailOptions{startTLS: true}, nil, notices.STARTTLS, func(s *notices.SMTP) { s.Config = nil }, notices.Queued, notices.FailConnect},
		{"slow", mailOptions{}, func(s *mailServer) { s.slow = make(chan struct{}) }, notices.Plain, nil, notices.Queued, notices.FailTimeout},
		{"nobody there", mailOptions{}, nil, notices.Plain, func(s *notices.SMTP) { s.Port = 1 }, notices.Queued, notices.FailConnect},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := newMailServer(t, test.server)
			if test.refuse != nil {
				test.refuse(server)
			}
			if server.slow != nil {
				t.Cleanup(func() { close(server.slow) })
			}
			sender := server.sender(test.mode)
			if test.sender != nil {
				test.sender(sender)
			}
			email := channel(notices.Email, sender)
			if server.slow != nil {
				email.Timeout = 200 * time.Millisecond
			}
			w := newWorld(t, dbtest.SQLite(t), email)
			do(t, w.registry.Link, self(), item(mailbox, "", "en"))
			w.deliver(t)
			w.expectStates(t, "1 email "+test.state+" "+test.failure)
			for _, secret := range []string{"dangelo", "marker"} {
				if strings.Contains(w.log.String(), secret) {
					t.Errorf("log %s", w.log)
				}
			}
			if !strings.Contains(w.log.String(), "reason="+test.failure) {
				t.Errorf("log %s", w.log)
			}
			if len(server.received) != 0 {
				t.Error("a message was taken")
			}
		})
	}
}

// A server that breaks off without a word loses no message, and a later attempt has the same name.
func TestEmailServerThatBreaksOff(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		rude, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer rude.Close()
		go func() {
			for {
				c, err := rude.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				io.WriteString(c, "220 mail.example.org\r\n")
				c.Close()
			}
		}()
		server := newMailServer(t, mailOptions{})
		sender := server.sender(notices.Plain)
		sender.Port = rude.Addr().(*net.TCPAddr).Port
		w := newWorld(t, db, channel(notices.Email, sender))
		do(t, w.registry.Link, self(), item(mailbox, "", "en"))
		w.deliver(t)
		w.expectStates(t, "1 email queued connect")
		sender.Port = server.port
		w.ahead = time.Hour
		w.deliver(t)
		w.expectStates(t, "1 email delivered")
	})
}

// The name of a message is the notice's, whatever attempt it is.
func TestEmailKeepsItsNameOverAttempts(t *testing.T) {
	server := newMailServer(t, mailOptions{})
	sender := server.sender(notices.Plain)
	for range 2 {
		if err := sender.Send(t.Context(), notices.Message{ID: "0198", To: "a@example.org", Subject: "S", Text: "T"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range server.received {
		if got := m.Header.Get("Message-ID"); got != "<0198@spar.example.org>" {
			t.Errorf("Message-ID %s", got)
		}
	}
}

// No recipient can add to the header, whatever a bank has put into an address.
func TestEmailHeaderInjection(t *testing.T) {
	server := newMailServer(t, mailOptions{})
	sender := server.sender(notices.Plain)
	for _, to := range []string{
		"a@example.org\r\nBcc: b@example.org", "a@example.org, b@example.org", "\"a\r\nBcc: b\"@example.org", "a@example.org\x00", "", "a",
	} {
		_ = sender.Send(t.Context(), notices.Message{ID: "1", To: to, Subject: "Subject\r\nBcc: b@example.org", Text: "T"})
	}
	for i, m := range server.received {
		if m.Header.Get("Bcc") != "" || strings.Contains(server.to[i], "b@") {
			t.Errorf("to %q: %v", server.to[i], m.Header)
		}
	}
	w := newWorld(t, dbtest.SQLite(t), channel(notices.Email, sender))
	for i, fa := range []string{"email:a@b@example.org@POSTPAY.email_wallet", "email:a,c@example.org@POSTPAY.email_wallet"} {
		one := item(fa, "", "en")
		one.ID = mapper.String("token:" + string(rune('a'+i)) + "@nationalid")
		if _, err := w.registry.Link(t.Context(), self(), []mapper.Item{one}); err != nil {
			t.Fatal(err)
		}
	}
	w.expectStates(t)
}
