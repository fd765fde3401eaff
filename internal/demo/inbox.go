package demo

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

const (
	inboxPath = "/inbox"
	smsPath   = "/sms"

	inboxSize  = 200      // messages kept
	maxMessage = 64 << 10 // bytes of one
)

// Inbox is where the demo's messages arrive: a mail server and an SMS gateway that deliver to one page, so that a visitor
// sees what people would get on their telephones. It forgets everything when the demo ends.
type Inbox struct {
	token    string // the gateway's
	listener net.Listener
	server   *smtp.Server
	now      func() time.Time

	mu       sync.Mutex
	messages []inboxMessage // the newest last
}

// inboxMessage is a message as the page shows it.
type inboxMessage struct {
	Channel string // email or sms
	To      string
	Owner   string // whose address or number it is; empty if nobody's
	Subject string
	Parts   []inboxPart
	At      time.Time
}

// inboxPart is a piece of a text: words, or a link.
type inboxPart struct {
	Text string
	Link bool
}

// newInbox takes a loopback port for the mail server; it answers only while run runs.
func newInbox(now func() time.Time) (*Inbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("demo mail server: %w", err)
	}
	b := &Inbox{token: rand.Text(), listener: listener, now: now}
	b.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &inboxSession{inbox: b}, nil }))
	b.server.Domain, b.server.MaxMessageBytes, b.server.MaxRecipients = "localhost", maxMessage, 1
	b.server.ReadTimeout, b.server.WriteTimeout = 10*time.Second, 10*time.Second
	b.server.ErrorLog = log.New(io.Discard, "", 0)
	return b, nil
}

// MailURL is the mail server's, as the configuration writes it.
func (b *Inbox) MailURL() string { return "smtp://" + b.listener.Addr().String() }

// Token is what the SMS gateway knows its client by.
func (b *Inbox) Token() string { return b.token }

func (b *Inbox) run() error {
	if err := b.server.Serve(b.listener); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, smtp.ErrServerClosed) {
		return fmt.Errorf("demo mail server: %w", err)
	}
	return nil
}

// close ends run, or gives the port back where it never ran.
func (b *Inbox) close() {
	b.server.Close()
	b.listener.Close()
}

func (b *Inbox) add(m inboxMessage) {
	m.At = b.now()
	for _, p := range People() {
		if strings.EqualFold(p.Email, m.To) || p.Phone == m.To {
			m.Owner = p.Name
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.messages = append(b.messages, m)
	b.messages = b.messages[max(0, len(b.messages)-inboxSize):]
}

// latest returns the messages, the newest first.
func (b *Inbox) latest() []inboxMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.Clone(b.messages)
	slices.Reverse(list)
	return list
}

// inboxSession is one conversation with the mail server.
type inboxSession struct {
	inbox *Inbox
	to    string
}

func (s *inboxSession) Reset()                               { s.to = "" }
func (s *inboxSession) Logout() error                        { return nil }
func (s *inboxSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *inboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	return nil
}

func (s *inboxSession) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return &smtp.SMTPError{Code: 554, Message: "not a message"}
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		subject = m.Header.Get("Subject")
	}
	body := m.Body
	if strings.EqualFold(m.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return &smtp.SMTPError{Code: 554, Message: "not readable"}
	}
	s.inbox.add(inboxMessage{Channel: "email", To: s.to, Subject: subject, Parts: partsOf(string(text))})
	return nil
}

// takeSMS is the SMS gateway.
func (b *Inbox) takeSMS(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+b.token)) != 1 {
		http.Error(w, "unknown client", http.StatusUnauthorized)
		return
	}
	var m struct{ To, Text string }
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.To == "" || m.Text == "" {
		http.Error(w, "expected to and text", http.StatusBadRequest)
		return
	}
	b.add(inboxMessage{Channel: "sms", To: m.To, Parts: partsOf(m.Text)})
	w.WriteHeader(http.StatusAccepted)
}

// partsOf finds the links in a text.
func partsOf(text string) []inboxPart {
	var parts []inboxPart
	text = strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))
	for text != "" {
		at := linkStart(text)
		if at > 0 {
			parts = append(parts, inboxPart{Text: text[:at]})
		}
		text = text[at:]
		end := strings.IndexAny(text, " \n")
		if end < 0 {
			end = len(text)
		}
		if text != "" {
			parts = append(parts, inboxPart{Text: text[:end], Link: true})
		}
		text = text[end:]
	}
	return parts
}

// linkStart is where the first link begins, or the end.
func linkStart(text string) int {
	at := len(text)
	for _, scheme := range []string{"http://", "https://"} {
		if i := strings.Index(text, scheme); i >= 0 {
			at = min(at, i)
		}
	}
	return at
}

// showInbox lists what has arrived.
func (p *Provider) showInbox(w http.ResponseWriter, r *http.Request) {
	p.render(w, r, http.StatusOK, InboxPage(p.inbox.latest()))
}
