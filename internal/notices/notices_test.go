package notices_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/audit/audittest"
	"spar/internal/keyring"
	"spar/internal/notices"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/migrations/dbtest"
	"spar/web/i18n"
)

const (
	id      = "token:4711@nationalid"
	bank    = "account:99887731@101001.BANKA.bank_acc"
	bankTwo = "account:55442208@107002.DOVRINHB.bank_acc"
	mobile  = "mobile:+12025550106@KITOPAY.mobile_wallet"
	mailbox = "email:maria.dangelo@example.org@POSTPAY.email_wallet"
)

var when = regexp.MustCompile(`\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d`)

// world is an outbox, the registry that fills it, and a clock that a test can set ahead.
type world struct {
	*notices.Outbox
	registry *mapper.Service
	db       *sqlx.DB
	trail    *audit.Log
	log      *bytes.Buffer
	channels []notices.Channel
	ahead    time.Duration
	hold     time.Duration     // of the registry
	host     map[string]string // its name for the service, by language
}

func newWorld(t *testing.T, db *sqlx.DB, channels ...notices.Channel) *world {
	t.Helper()
	return newWorldWithKeys(t, db, t.TempDir(), channels...)
}

func newWorldWithKeys(t *testing.T, db *sqlx.DB, keys string, channels ...notices.Channel) *world {
	t.Helper()
	w := &world{db: db, log: &bytes.Buffer{}, channels: channels}
	ring, err := keyring.Open(t.Context(), db, keys, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.trail, err = audit.Open(t.Context(), db, ring.Audit, ring.NewAudit(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	w.Outbox, err = notices.New(notices.Config{
		DB: db, Seal: ring.Records, Trail: w.trail, Channels: channels, PortalURL: "https://spar.example.org/",
		Region: "US", Keep: 30 * 24 * time.Hour, Location: time.UTC, Now: func() time.Time { return time.Now().Add(w.ahead) },
		ShortName: func(language string) string { return w.host[language] }, ServiceName: func(language string) string { return w.host[language] },
		PartnerName: func(_ context.Context, reference string) string { return names[reference] },
		Log:         slog.New(slog.NewTextHandler(w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.registry = w.newRegistry(t, ring, w.trail)
	return w
}

func (w *world) newRegistry(t *testing.T, ring *keyring.Ring, trail *audit.Log) *mapper.Service {
	t.Helper()
	registry, err := mapper.NewService(mapper.Config{
		DB: w.db, Sealer: mapper.Sealer{Records: ring.Records, Lookup: ring.Lookup}, Trail: trail, Notifier: w.Outbox, Hold: w.hold,
		Strategies: mapper.NewStrategies(w.db, time.Now), Directory: mapper.NewDirectory(w.db, time.Now),
		MessageWindow: 5 * time.Minute, Now: func() time.Time { return time.Now().Add(w.ahead) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

func (w *world) deliver(t *testing.T) {
	t.Helper()
	for _, channel := range w.channels {
		if err := w.DeliverDue(t.Context(), channel); err != nil {
			t.Fatal(err)
		}
	}
}

// states describes what is in the outbox.
func (w *world) states(t *testing.T) []string {
	t.Helper()
	counts, err := w.Counts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, c := range counts {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", c.Count, c.Channel, c.State, c.Failure)))
	}
	return list
}

func (w *world) expectStates(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), w.states(t)); diff != "" {
		t.Errorf("outbox (-want +got):\n%s", diff)
	}
}

// do makes a change and fails if it was refused.
func do(t *testing.T, change func(context.Context, mapper.Actor, []mapper.Item) ([]mapper.Result, error), by mapper.Actor, item mapper.Item) mapper.Result {
	t.Helper()
	results, err := change(t.Context(), by, []mapper.Item{item})
	if err != nil {
		t.Fatal(err)
	}
	if results[0].Status != mapper.Succeeded {
		t.Fatalf("refused: %s %s", results[0].Code, results[0].Message)
	}
	return results[0]
}

// item is a person's item.
func item(fa, phone, locale string) mapper.Item {
	i := mappertest.Item("r1", id, fa)
	i.Phone, i.Locale = mapper.String(phone), mapper.String(locale)
	return i
}

func self() mapper.Actor {
	by := mappertest.By("SPAR-SELF-SERVICE")
	by.ByBeneficiary = true
	return by
}

// gateway keeps what is sent.
type gateway struct {
	mu   sync.Mutex
	sent []notices.Message
	err  error
}

func (g *gateway) Send(_ context.Context, m notices.Message) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent = append(g.sent, m)
	return g.err
}

// take returns what was sent since it was last asked, ordered by recipient.
func (g *gateway) take() []notices.Message {
	g.mu.Lock()
	defer g.mu.Unlock()
	sent := g.sent
	g.sent = nil
	slices.SortFunc(sent, func(a, b notices.Message) int { return strings.Compare(a.To, b.To) })
	return sent
}

func channel(name string, sender notices.Sender) notices.Channel {
	return notices.Channel{Name: name, Sender: sender, PerSecond: 50, Timeout: 5 * time.Second}
}

// A host's name for the service is in the messages. A language that it has none in has the service's own.
func TestHostsName(t *testing.T) {
	email, sms := &gateway{}, &gateway{}
	w := newWorld(t, dbtest.SQLite(t), channel(notices.Email, email), channel(notices.SMS, sms))
	do(t, w.registry.Link, self(), item(mailbox, "+12025550101", "en"))
	w.host = map[string]string{"en": "Pensions"}
	w.deliver(t)
	for _, m := range append(sms.take(), email.take()...) {
		if !strings.HasPrefix(m.Text, "Pensions: ") && !strings.HasSuffix(strings.TrimSpace(m.Text), "\nPensions") {
			t.Errorf("a message does not name the host: %q", m.Text)
		}
	}
	do(t, w.registry.Update, self(), item(mobile, "+12025550101", "fr"))
	w.deliver(t)
	sent := sms.take()
	if len(sent) == 0 || strings.Contains(sent[0].Text, "Pensions") {
		t.Errorf("in French: %q", sent)
	}
}

// Everybody whom a change concerns is told once, and only what is theirs to know.
func TestWhoIsToldWhat(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		email, sms := &gateway{}, &gateway{}
		w := newWorld(t, db, channel(notices.Email, email), channel(notices.SMS, sms))
		change := ""
		expect := func(what string, got []notices.Message, want ...string) {
			t.Helper()
			lines := []string{}
			for _, m := range got {
				text := strings.ReplaceAll(m.Text, change, "CHANGE")
				text = when.ReplaceAllString(text, "WHEN")
				lines = append(lines, m.To+" | "+m.Subject+" | "+strings.ReplaceAll(strings.TrimSpace(text), "\n\n", " / "))
			}
			if diff := cmp.Diff(append([]string{}, want...), lines); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		const (
			service = "Social Payments Account: "
			yours   = " This was done on our website by someone who signed in as you, on WHEN. If this was not you, tell us here: https://spar.example.org/account/history/CHANGE/not-me"
			theirs  = " This was done by Bank BANK-A, on WHEN. If this was not you, tell us here: https://spar.example.org/account/history/CHANGE/not-me"
			more    = " / Reference number: CHANGE / If this was not you, tell us here: https://spar.example.org/account/history/CHANGE/not-me / We never ask for your PIN, password or card number. Using this service is free. / Social Payments Account Registry"
		)

		change = do(t, w.registry.Link, mappertest.By("BANK-A"), item(bank, "tel:+1 (202) 555-0101", "eng")).ChangeID
		w.deliver(t)
		expect("link", sms.take(), "+12025550101 |  | "+service+"Your social benefits will now be paid to BANKA, number ending in 7731."+theirs)

		// The same phone before and after, and the wallet itself.
		change = do(t, w.registry.Update, self(), item(mobile, "+12025550101", "en")).ChangeID
		w.deliver(t)
		expect("to a wallet", sms.take(),
			"+12025550101 |  | "+service+"Your social benefits will now be paid to KITOPAY, number ending in 0106. Before, they were paid to BANKA, number ending in 7731."+yours,
			"+12025550106 |  | "+service+"Social benefits will now be paid to KITOPAY, number ending in 0106."+yours)

		// Another phone, which is the wallet's own; the old ones learn nothing of the new account.
		change = do(t, w.registry.Update, self(), item(mailbox, "+12025550106", "en")).ChangeID
		w.deliver(t)
		expect("to a mailbox: text messages", sms.take(),
			"+12025550101 |  | "+service+"Your social benefits will no longer be paid to KITOPAY, number ending in 0106."+yours,
			"+12025550106 |  | "+service+"Your social benefits will now be paid to POSTPAY, m***@example.org. Before, they were paid to KITOPAY, number ending in 0106."+yours)
		expect("to a mailbox: mail", email.take(),
			"maria.dangelo@example.org | The account for your social benefits was changed | Social benefits will now be paid to POSTPAY, m***@example.org. / This was done on our website by someone who signed in as you, on WHEN."+more)

		// A person's own e-mail address, which is the wallet's too: once.
		own := item(mailbox, "", "en")
		own.Email = mapper.String("Maria.DAngelo@example.org")
		change = do(t, w.registry.Update, self(), own).ChangeID
		w.deliver(t)
		if got := email.take(); len(got) != 1 || got[0].To != "maria.dangelo@example.org" || len(sms.take()) != 1 {
			t.Errorf("own address: %+v", got)
		}
		change = do(t, w.registry.Unlink, self(), mappertest.Item("r1", id, "")).ChangeID
		w.deliver(t)
		expect("removed: mail", email.take(),
			"maria.dangelo@example.org | The account for your social benefits was removed | Your social benefits will no longer be paid to POSTPAY, m***@example.org. No account is linked now. / This was done on our website by someone who signed in as you, on WHEN."+more)
		w.expectStates(t, "3 email delivered", "6 sms delivered")
		if log := w.log.String(); log != "" {
			t.Errorf("logged %s", log)
		}
	})
}

// A change that is held is told when it is asked for, when it is stopped, and when it is made; and at every contact, so that
// it can be stopped in time.
func TestHeldChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		sms := &gateway{}
		keys := t.TempDir()
		w := newWorldWithKeys(t, db, keys, channel(notices.SMS, sms))
		ring, err := keyring.Open(t.Context(), db, keys, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		w.hold = 48 * time.Hour
		registry := w.newRegistry(t, ring, w.trail)
		expect := func(what string, want ...string) {
			t.Helper()
			w.deliver(t)
			got := []string{}
			for _, m := range sms.take() {
				text, _, _ := strings.Cut(m.Text, " This was done")
				got = append(got, m.To+" "+when.ReplaceAllString(strings.TrimPrefix(text, "Social Payments Account: "), "WHEN"))
			}
			if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		do(t, registry.Link, self(), item(bank, "+12025550101", "en"))
		expect("linked", "+12025550101 Your social benefits will now be paid to BANKA, number ending in 7731.")
		held := do(t, registry.Update, self(), item(mobile, "+12025550101", "en"))
		expect("held",
			"+12025550101 From WHEN your social benefits will be paid to KITOPAY, number ending in 0106. Until then they are still paid to BANKA, number ending in 7731, and you can stop this change on our website.",
			"+12025550106 From WHEN social benefits will be paid to KITOPAY, number ending in 0106. Until then this change can be stopped on our website.")
		if _, err := registry.CancelHeld(t.Context(), self(), id, held.ChangeID); err != nil {
			t.Fatal(err)
		}
		expect("stopped",
			"+12025550101 Your social benefits will not be paid to KITOPAY, number ending in 0106. They are still paid to BANKA, number ending in 7731.",
			"+12025550106 Social benefits will not be paid to KITOPAY, number ending in 0106. This change was stopped.")
		do(t, registry.Update, self(), item(bankTwo, "+12025550102", "en"))
		expect("held again",
			"+12025550101 From WHEN your social benefits will no longer be paid to BANKA, number ending in 7731. Until then they are still paid there, and you can stop this change on our website.",
			"+12025550102 From WHEN social benefits will be paid to DOVRINHB, number ending in 2208. Until then this change can be stopped on our website.")
		w.ahead = 49 * time.Hour
		if err := registry.ApplyDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect("made",
			"+12025550101 Your social benefits will no longer be paid to BANKA, number ending in 7731.",
			"+12025550102 Social benefits will now be paid to DOVRINHB, number ending in 2208.")
	})
}

// People are told in the language of their record, or in English; links are links in every direction of writing, and text
// messages have no marks that old telephones cannot show.
func TestLanguages(t *testing.T) {
	db := dbtest.SQLite(t)
	email, sms := &gateway{}, &gateway{}
	w := newWorld(t, db, channel(notices.Email, email), channel(notices.SMS, sms))
	for i, test := range []struct{ locale, want string }{
		{"", "en"}, {"eng", "en"}, {"en_GB", "en"}, {"xx", "en"}, {"fr", "fr"}, {"fra-FR", "fr"}, {"fil", "tl"}, {"tl", "tl"}, {"ar", "ar"}, {"ara", "ar"},
	} {
		one := item(mailbox, "+12025550101", test.locale)
		one.ID = mapper.String(fmt.Sprintf("token:%d@nationalid", i))
		if test.locale == "" {
			one.Locale = mapper.Text{}
		}
		change := do(t, w.registry.Link, self(), one).ChangeID
		w.deliver(t)
		mail, text := email.take()[0], sms.take()[0]
		if want := i18n.T(i18n.With(t.Context(), test.want), "notice.link.subject"); mail.Subject != want {
			t.Errorf("%q: subject %q, want %q", test.locale, mail.Subject, want)
		}
		link := "https://spar.example.org/account/history/" + change + "/not-me"
		if !strings.HasSuffix(text.Text, " "+link) || !strings.Contains(mail.Text, " "+link+"\n") {
			t.Errorf("%q: %q and %q", test.locale, text.Text, mail.Text)
		}
		if strings.ContainsAny(text.Text, "\u2068\u2069\u200e\u200f") {
			t.Errorf("%q: marks in %q", test.locale, text.Text)
		}
	}
}

// A batch is queued in one statement, whatever its size.
func TestBatch(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		sms := &gateway{}
		w := newWorld(t, db, channel(notices.SMS, sms))
		items := make([]mapper.Item, 10000)
		for i := range items {
			items[i] = mappertest.Item(fmt.Sprint(i), fmt.Sprintf("token:%d@nationalid", i), bank)
			items[i].Phone = mapper.String(fmt.Sprintf("+1202555%04d", i))
		}
		if _, err := w.registry.Link(t.Context(), mappertest.By("BANK-A"), items); err != nil {
			t.Fatal(err)
		}
		w.expectStates(t, "10000 sms queued")
	})
}

// A notice lasts exactly if its change does.
func TestNoNoticeOfAChangeThatWasUndone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		keys := t.TempDir()
		w := newWorldWithKeys(t, db, keys, channel(notices.SMS, &gateway{}))
		ring, err := keyring.Open(t.Context(), db, keys, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		// A log with another key refuses to go on, and the audit event is what comes last in the transaction.
		broken := w.newRegistry(t, ring, audit.Inspect(db, audittest.Key(t), time.Now))
		if _, err := broken.Link(t.Context(), self(), []mapper.Item{item(bank, "+12025550101", "en")}); err == nil {
			t.Fatal("linked without an entry in the audit log")
		}
		w.expectStates(t)
	})
}

func TestUnusableContactsAreLeftOut(t *testing.T) {
	db := dbtest.SQLite(t)
	w := newWorld(t, db, channel(notices.SMS, &gateway{}))
	for i, number := range []string{"", "12", "+12025550101;ext=5", "tel:5550101"} {
		one := item(bank, number, "en")
		one.ID = mapper.String(fmt.Sprintf("token:%d@nationalid", i))
		if number == "" || number == "12" {
			one.Phone = mapper.Text{}
		}
		do(t, w.registry.Link, self(), one)
	}
	do(t, w.registry.Link, self(), item(mailbox, "", "en")) // there is no channel for it
	w.expectStates(t)
}

// What is in the table and in the log says nothing about anybody.
func TestNothingPersonalIsStoredOrLogged(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		email, sms := &gateway{err: &notices.Failure{Class: notices.FailBusy, Code: 451}}, &gateway{err: fmt.Errorf("told +12025550106 about 99887731")}
		w := newWorld(t, db, channel(notices.Email, email), channel(notices.SMS, sms))
		do(t, w.registry.Link, self(), item(bank, "+12025550106", "en"))
		do(t, w.registry.Update, self(), item(mailbox, "+12025550106", "en"))
		w.deliver(t)
		w.expectStates(t, "1 email queued busy", "2 sms queued connect")
		var rows [][]byte
		if err := db.SelectContext(t.Context(), &rows, `SELECT sealed FROM notices`); err != nil {
			t.Fatal(err)
		}
		everything := w.log.String() + string(bytes.Join(rows, nil))
		for _, marker := range []string{"2025550106", "dangelo", "7731", "4711", "BANKA", "POSTPAY"} {
			if strings.Contains(everything, marker) {
				t.Errorf("%s is in the table or in the log", marker)
			}
		}
		if !strings.Contains(w.log.String(), "reason=connect") {
			t.Errorf("the failure is not in the log: %s", w.log)
		}
		email.err, sms.err, w.ahead = nil, nil, time.Hour
		w.deliver(t)
		var left int
		if err := db.GetContext(t.Context(), &left, `SELECT COUNT(*) FROM notices WHERE sealed IS NOT NULL`); err != nil || left != 0 {
			t.Errorf("%d delivered notices still hold what they said (%v)", left, err)
		}
	})
}

// What cannot be delivered is tried again and again, later each time, and given up after a day. Staff can send it again.
func TestRetriesGivingUpAndResending(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		sms := &gateway{err: &notices.Failure{Class: notices.FailBusy, Code: 503}}
		w := newWorld(t, db, channel(notices.SMS, sms))
		do(t, w.registry.Link, self(), item(bank, "+12025550101", "en"))
		attempts, names := 0, map[string]bool{}
		for w.ahead = 0; w.ahead < 26*time.Hour; w.ahead += 10 * time.Second {
			w.deliver(t)
			for _, m := range sms.take() {
				attempts++
				names[m.ID] = true
			}
		}
		if attempts < 20 || attempts > 60 || len(names) != 1 {
			t.Errorf("%d attempts with %d names", attempts, len(names))
		}
		w.expectStates(t, "1 sms given_up busy")
		if n, err := w.Resend(t.Context(), audittest.By, notices.Email); err != nil || n != 0 {
			t.Errorf("sent %d again on the other channel (%v)", n, err)
		}
		if n, err := w.Resend(t.Context(), audittest.By, notices.SMS); err != nil || n != 1 {
			t.Errorf("sent %d again (%v)", n, err)
		}
		sms.err = nil
		w.deliver(t)
		w.expectStates(t, "1 sms delivered")
		if sent := sms.take(); len(sent) != 1 || !names[sent[0].ID] {
			t.Errorf("sent %+v", sent)
		}
		entries, err := w.trail.List(t.Context(), audit.Filter{Target: notices.SMS})
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, e := range entries {
			got = append(got, fmt.Sprintf("%s %s %v", e.Actor, e.Action, e.Detail))
		}
		if diff := cmp.Diff([]string{"command test notice.resend map[count:1]", "system notice.give_up map[count:1 reason:busy]"}, got); diff != "" {
			t.Errorf("audit (-want +got):\n%s", diff)
		}
		if err := w.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.expectStates(t, "1 sms delivered")
		w.ahead += 31 * 24 * time.Hour
		if err := w.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.expectStates(t)
	})
}

// A notice that was put into another's row, or sealed with another key, reaches nobody.
func TestANoticeOpensInItsOwnRowOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		sms := &gateway{}
		w := newWorld(t, db, channel(notices.SMS, sms))
		do(t, w.registry.Link, self(), item(bank, "+12025550101", "en"))
		do(t, w.registry.Update, self(), item(bankTwo, "+12025550102", "en"))
		if _, err := db.ExecContext(t.Context(), `UPDATE notices SET sealed = (SELECT sealed FROM notices ORDER BY notice_id LIMIT 1)`); err != nil {
			t.Fatal(err)
		}
		w.deliver(t)
		w.expectStates(t, "1 sms delivered", "2 sms given_up unreadable")
	})
}

// Several replicas share an outbox: each notice is sent by one of them.
func TestTwoReplicasDeliverEachOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *sqlx.DB) {
		sms := &gateway{}
		w := newWorld(t, db, channel(notices.SMS, sms))
		items := make([]mapper.Item, 200)
		for i := range items {
			items[i] = mappertest.Item(fmt.Sprint(i), fmt.Sprintf("token:%d@nationalid", i), bank)
			items[i].Phone = mapper.String(fmt.Sprintf("+1202555%04d", i))
		}
		if _, err := w.registry.Link(t.Context(), mappertest.By("BANK-A"), items); err != nil {
			t.Fatal(err)
		}
		var replicas sync.WaitGroup
		errs := make(chan error, 16)
		for range 2 {
			replicas.Go(func() {
				for range 8 {
					errs <- w.DeliverDue(t.Context(), w.channels[0])
				}
			})
		}
		replicas.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		times := map[string]int{}
		for _, m := range sms.take() {
			times[m.To]++
		}
		for to, n := range times {
			if n != 1 {
				t.Errorf("%s was told %d times", to, n)
			}
		}
		if len(times) != 200 {
			t.Errorf("%d were told", len(times))
		}
		w.expectStates(t, "200 sms delivered")
	})
}

// Run ends with its context, and delivers before.
func TestRun(t *testing.T) {
	db := dbtest.SQLite(t)
	ctx, stop := context.WithCancel(t.Context())
	w := newWorld(t, db, channel(notices.SMS, senderFunc(func(context.Context, notices.Message) error {
		stop()
		return nil
	})))
	do(t, w.registry.Link, self(), item(bank, "+12025550101", "en"))
	w.Run(ctx)
	w.expectStates(t, "1 sms delivered")
}

type senderFunc func(context.Context, notices.Message) error

func (f senderFunc) Send(ctx context.Context, m notices.Message) error { return f(ctx, m) }

// names that others chose, with attempts to be more than a name.
var names = map[string]string{
	"BANK-A": "Bank BANK-A",
	"EVIL":   "Bank\r\nBcc: everybody@example.org\r\n\r\nhttps://evil.example \u202e\x00",
}

func TestNamesAreOneLine(t *testing.T) {
	db := dbtest.SQLite(t)
	email := &gateway{}
	w := newWorld(t, db, channel(notices.Email, email))
	do(t, w.registry.Link, mappertest.By("EVIL"), item(mailbox, "", "en"))
	w.deliver(t)
	text := email.take()[0].Text
	if !strings.Contains(text, "This was done by Bank Bcc: everybody@example org https evil example, on") {
		t.Errorf("%q", text)
	}
}

// Whoever links an address can name a bank in it that is not in the directory, and a number to send the message to. The
// message is the registry's and says nothing of theirs.
func TestNobodyWritesMessages(t *testing.T) {
	const openG2P = "account_number:99887731.branch_name:x.branch_code:1.bank_name:%s.bank_code:%s.fa_type:BANK_ACCOUNT"
	for name, test := range map[string]struct{ bank, code, want string }{
		"a name":             {"no one until you call 0900 1234", "ZZ-1", "will now be paid to ZZ-1, number ending in 7731."},
		"a code":             {"", "no one until you go to evil.example", "will now be paid to Bank account, number ending in 7731."},
		"an address as code": {"", "evil.example", "will now be paid to Bank account, number ending in 7731."},
		"a sentence as code": {"", "your-pin-has-expired-call-0900-1234", "will now be paid to Bank account, number ending in 7731."},
		"nothing but a code": {"", "SAVINGS2", "will now be paid to SAVINGS2, number ending in 7731."},
	} {
		t.Run(name, func(t *testing.T) {
			gateway := &gateway{}
			w := newWorld(t, dbtest.SQLite(t), channel(notices.SMS, gateway))
			do(t, w.registry.Link, mappertest.By("BANK-A"), item(fmt.Sprintf(openG2P, test.bank, test.code), "+12025550101", "en"))
			w.deliver(t)
			if text := gateway.take()[0].Text; !strings.Contains(text, test.want) || strings.Contains(text, "evil") {
				t.Errorf("%q", text)
			}
		})
	}
}
