package handlers_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"spar/internal/audit"
	"spar/internal/notices"
	"spar/mapper"
	"spar/web/i18n"
)

type refusingGateway struct{}

func (refusingGateway) Send(context.Context, notices.Message) error {
	return &notices.Failure{Class: notices.FailRefused, Code: 400}
}

// tells gives the administration an outbox with n messages that a gateway refused, and one that waits.
func (h *house) tells(t *testing.T, n int) {
	t.Helper()
	channel := notices.Channel{Name: notices.SMS, Sender: refusingGateway{}, PerSecond: 50, Timeout: time.Second}
	outbox, err := notices.New(notices.Config{
		DB: h.db, Seal: plain{}, Trail: h.trail, Channels: []notices.Channel{channel}, PortalURL: "http://127.0.0.1", Region: "US", Keep: 24 * time.Hour,
		Location: time.UTC, PartnerName: func(context.Context, string) string { return "" }, Now: h.now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	queue := func(n int) {
		tx, err := h.db.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		list := make([]mapper.Notice, n)
		for i := range list {
			list[i] = mapper.Notice{ChangeID: uuid.NewString(), Action: mapper.Link, At: h.now(), New: &mapper.Party{Phone: "+12025550106"}}
		}
		if err := outbox.Queue(t.Context(), tx, list); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	queue(n)
	if err := outbox.DeliverDue(t.Context(), channel); err != nil {
		t.Fatal(err)
	}
	queue(1)
	h.admin.Notices = outbox
}

// plain seals nothing: what is sealed is tested where it is done.
type plain struct{}

func (plain) Encrypt(text, _ []byte) ([]byte, error) { return text, nil }
func (plain) Decrypt(text, _ []byte) ([]byte, error) { return text, nil }

func TestStaffSeeHowMessagesFareAndSendThemAgain(t *testing.T) {
	h := newHouse(t)
	h.tells(t, 3)
	admin, auditor := h.signedIn(t, inês), h.signedIn(t, tomás)
	if text := admin.get("/admin").text("main"); !strings.Contains(text, "1 message to people waits to be sent.") {
		t.Errorf("overview: %s", text)
	}
	s := auditor.get("/admin/notices").shows(http.StatusOK, "Messages to people")
	rows := s.text("tbody")
	for _, want := range []string{"Text message", "Given up", "refused", "Waiting"} {
		if !strings.Contains(rows, want) {
			t.Errorf("the table lacks %q: %s", want, rows)
		}
	}
	if strings.Contains(s.body, "2025550106") || s.Find("a[href*=resend]").Length() != 0 {
		t.Error("an auditor sees a number, or may send again")
	}
	if got := auditor.get("/admin/notices/sms/resend").status; got != http.StatusForbidden {
		t.Errorf("an auditor is shown the form: %d", got)
	}
	s = admin.get("/admin/notices").shows(http.StatusOK, "Messages to people")
	s = admin.get(s.Find("a[href*=resend]").AttrOr("href", "")).shows(http.StatusOK, "Send text messages again")
	if !strings.Contains(s.text("main"), "3 messages were given up.") {
		t.Errorf("%s", s.text("main"))
	}
	s = admin.leadsTo(admin.submit(s, "main form", nil), "/admin/notices")
	if text := s.text("main"); !strings.Contains(s.body, "The messages will be sent again.") || strings.Contains(text, "Given up") {
		t.Errorf("after: %s", text)
	}
	entries, err := h.trail.List(t.Context(), audit.Filter{Action: audit.NoticeResend})
	if err != nil || len(entries) != 1 || !strings.Contains(entries[0].Actor.ID, "s-3") {
		t.Errorf("audit %+v (%v)", entries, err)
	}
	if got := admin.get("/admin/notices/pigeon/resend").status; got != http.StatusNotFound {
		t.Errorf("a channel that there is not: %d", got)
	}
}

func TestWithoutMessagesThereIsNoPageAboutThem(t *testing.T) {
	h := newHouse(t)
	admin := h.signedIn(t, inês)
	for _, path := range []string{"/admin/notices", "/admin/notices/sms/resend"} {
		if got := admin.get(path).status; got != http.StatusNotFound {
			t.Errorf("%s: %d", path, got)
		}
	}
	if strings.Contains(admin.get("/admin").body, "/admin/notices") {
		t.Error("the overview leads to a page that is not there")
	}
}

// Every class of failures has words that staff understand.
func TestEveryFailureOfMessagesHasAText(t *testing.T) {
	for _, class := range notices.Failures() {
		if key := "admin.notices.failure." + class; i18n.T(t.Context(), key) == key {
			t.Errorf("%s has no text", key)
		}
	}
}
