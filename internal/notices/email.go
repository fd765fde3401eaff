package notices

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/mail"
	"net/textproto"
	"strings"

	gomail "github.com/wneessen/go-mail"
)

// SMTP is a mail server that takes messages from us.
type SMTP struct {
	Host     string
	Port     int
	User     string // empty: no login
	Password string
	TLS      TLSMode
	Config   *tls.Config // nil: the system's authorities
	From     mail.Address
}

// TLSMode says how a connection to a mail server is encrypted.
type TLSMode int

// The modes.
const (
	STARTTLS TLSMode = iota // and not without it
	Implicit
	Plain // on a loopback address
)

// Send implements [Sender], over a connection of its own.
func (s *SMTP) Send(ctx context.Context, m Message) error {
	message, err := s.write(m)
	if err != nil {
		return &Failure{Class: FailRefused}
	}
	// Ended, the context closes the connection, whatever becomes of the message: go-mail leaves it open where the greeting,
	// the encryption or the login fails, and a server that answers slowly does not hold us longer than the context does.
	ctx, end := context.WithCancel(ctx)
	defer end()
	client, err := s.client(ctx)
	if err != nil {
		return &Failure{Class: FailSetup}
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return connectFailure(ctx, err)
	}
	err = client.SendWithSMTPClient(session, message)
	if message.IsDelivered() { // an error behind that is about the connection
		_ = client.CloseWithSMTPClient(session)
		return nil
	}
	return sendFailure(ctx, err)
}

func (s *SMTP) write(m Message) (*gomail.Msg, error) {
	message := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	message.FromMailAddress(&s.From)
	if err := message.To(m.To); err != nil {
		return nil, err
	}
	message.Subject(m.Subject)
	_, domain, _ := strings.Cut(s.From.Address, "@")
	message.SetMessageIDWithValue(m.ID + "@" + domain)
	message.SetDate()
	message.SetGenHeader("Auto-Submitted", "auto-generated") // no out-of-office answers, please
	message.SetBodyString(gomail.TypeTextPlain, m.Text)
	return message, nil
}

func (s *SMTP) client(ctx context.Context) (*gomail.Client, error) {
	_, domain, _ := strings.Cut(s.From.Address, "@")
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.Config != nil {
		config = s.Config.Clone()
	}
	config.ServerName = s.Host
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	if s.TLS == Implicit {
		dialer = &tls.Dialer{Config: config}
	}
	options := []gomail.Option{
		gomail.WithPort(s.Port), gomail.WithHELO(domain), gomail.WithTLSConfig(config), gomail.WithoutNoop(),
		gomail.WithTimeout(2 * maxTimeout), // the context ends before
		gomail.WithTLSPolicy(gomail.NoTLS),
		gomail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(dialing, network, address)
			if err == nil {
				context.AfterFunc(ctx, func() { conn.Close() })
			}
			return conn, err
		}),
	}
	if s.TLS == STARTTLS {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if s.User != "" {
		options = append(options, gomail.WithUsername(s.User), gomail.WithPassword(s.Password), gomail.WithOpportunisticSMTPAuth(
			gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return gomail.NewClient(s.Host, options...)
}

// connectFailure sorts what kept us from getting to the point where a message can be handed over. None of it is about the
// message: it is tried again, so that somebody can mend the configuration.
func connectFailure(ctx context.Context, err error) *Failure {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		return &Failure{Class: classOf(reply.Code, FailSetup), Code: reply.Code}
	}
	return brokenFailure(ctx, err, FailSetup)
}

// sendFailure sorts what became of a message that was not taken.
func sendFailure(ctx context.Context, err error) *Failure {
	sent, ok := errors.AsType[*gomail.SendError](err)
	if !ok || sent.ErrorCode() == 0 {
		return brokenFailure(ctx, err, FailConnect)
	}
	final := FailRefused
	if sent.Reason == gomail.ErrSMTPMailFrom { // it is the sender that is refused, for every message
		final = FailSetup
	}
	return &Failure{Class: classOf(sent.ErrorCode(), final), Code: sent.ErrorCode()}
}

func classOf(code int, final string) string {
	if code >= 500 {
		return final
	}
	return FailBusy
}

// brokenFailure sorts an error that no reply of a server explains.
func brokenFailure(ctx context.Context, err error, other string) *Failure {
	if network, ok := errors.AsType[net.Error](err); ctx.Err() != nil || ok && network.Timeout() {
		return &Failure{Class: FailTimeout}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return &Failure{Class: FailConnect, Detail: op.Error()}
	}
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return &Failure{Class: FailConnect, Detail: certificate.Error()}
	}
	return &Failure{Class: other}
}
