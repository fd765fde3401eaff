package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"spar/handlers"
	"spar/internal/audit"
	"spar/keymgr"
	"spar/keymgr/keytest"
	"spar/mapper"
	"spar/mapper/mappertest"
	"spar/web"
)

// stored is what the registry says about somebody.
func (p *portal) stored(t *testing.T, id string) mapper.Result {
	t.Helper()
	results, err := p.service.Resolve(t.Context(), mappertest.By("TEST"), []mapper.Item{mappertest.Details("1", id, "")})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func (p *portal) history(t *testing.T, id string) []mapper.Change {
	t.Helper()
	changes, err := p.service.History(t.Context(), mapper.ID(id), 100)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func TestLinkChangeAndRemove(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	b.get("/account").shows(http.StatusOK, "Where your money goes").has("main .empty h2", "No account is linked yet")

	s := b.toCheck("GREENVAL:001", " 1234-5678 9012 ")
	s.has(".answers strong", "123456789012").has(".answers > div:nth-child(2) dd:nth-of-type(1)", "Green Valley Bank")
	s.has(".answers > div:nth-child(3) dd:nth-of-type(1)", "Market Square, Kitemba Code 001")
	s = b.leadsTo(b.submit(s, "main form", nil), "/account/done").shows(http.StatusOK, "Your account is linked")
	s.lacks("123456789012", amina.ID)
	changes := p.history(t, amina.ID)
	if len(changes) != 1 || !changes[0].ByBeneficiary || changes[0].Partner != handlers.SelfService {
		t.Fatalf("history %+v, want one change by the person", changes)
	}
	s.has(".reference", changes[0].ID)
	if got := p.stored(t, amina.ID); got.FA != "account:123456789012@001.GREENVAL.bank_acc" || got.Name != amina.Name {
		t.Errorf("stored %q for %q", got.FA, got.Name)
	}

	s = b.get("/account").shows(http.StatusOK, "Where your money goes").lacks("123456789012", amina.ID)
	s.has(".account-provider", "Green Valley Bank").has(".account-number .number", "•••• 9012").has(".account-number .unseen", "ending in 9 0 1 2")

	s = b.get("/account/change").has(".inset .account-number .number", "•••• 9012").lacks("123456789012")
	s = b.leadsTo(b.submit(s, "main form", url.Values{"kind": {"mobile_wallet"}}), "/account/change/wallet")
	s = b.leadsTo(b.submit(s, "main form", url.Values{"provider": {"PESAGO"}}), "/account/change/wallet/details")
	s = b.leadsTo(b.submit(s, "main form", url.Values{"mobile_number": {"0917 123 4567"}}), "/account/check")
	s.has(".answers strong", "+63 917 123 4567").has("main .inset .account-provider", "Green Valley Bank")
	b.leadsTo(b.submit(s, "main form", nil), "/account/done").shows(http.StatusOK, "Your account is changed").lacks("9171234567")
	if got := p.stored(t, amina.ID).FA; got != "mobile:+639171234567@PESAGO.mobile_wallet" {
		t.Errorf("stored %q", got)
	}

	s = b.get("/account/remove").shows(http.StatusOK, "Do you want to remove your account?").has(".account-number .number", "•••• 4567")
	s = b.leadsTo(b.submit(s, "main form", nil), "/account/done").shows(http.StatusOK, "Your account is removed")
	s.has(".reference", p.history(t, amina.ID)[0].ID)
	b.get("/account").has("main .empty h2", "No account is linked yet")

	s = b.get("/account/history").shows(http.StatusOK, "History of changes").lacks("123456789012", "9171234567")
	s.has(".changes h2", "Account removedAccount changedAccount linked").has(".changes li:last-child .number", "•••• 9012")
	if strings.Count(s.text(".changes"), "by you") != 3 {
		t.Errorf("history: %s", s.text(".changes"))
	}
}

func TestEmailWallet(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	s := b.leadsTo(b.submit(b.get("/account/change"), "main form", url.Values{"kind": {"email_wallet"}}), "/account/change/email")
	s = b.leadsTo(b.submit(s, "main form", url.Values{"provider": {"MAILPAY"}}), "/account/change/email/details")
	s = b.leadsTo(b.submit(s, "main form", url.Values{"email_address": {"amina.d+pay@example.org"}}), "/account/check")
	b.leadsTo(b.submit(s, "main form", nil), "/account/done").shows(http.StatusOK, "Your account is linked").lacks("amina.d+pay")
	if got := p.stored(t, amina.ID).FA; got != "email:amina.d+pay@example.org@MAILPAY.email_wallet" {
		t.Errorf("stored %q", got)
	}
	b.get("/account").has(".account-number .address", "a•••@example.org")
}

// What partners did is shown with their name, also for accounts that the directory does not know.
func TestLinkedByPartner(t *testing.T) {
	p := newPortal(t)
	keytest.RSA(t, 1).Onboard(t, p.register, "BANK-A", keymgr.Link)
	for id, fa := range map[string]string{
		amina.ID: "account:5555444433@999.ELSEWHERE.bank_acc",
		josé.ID:  "account_number:12345678.branch_name:Main.branch_code:7.bank_name:Far Bank.bank_code:FAR.fa_type:BANK_ACCOUNT",
	} {
		results, err := p.service.Link(t.Context(), mappertest.By("BANK-A"), []mapper.Item{mappertest.Item("1", id, fa)})
		if err != nil || results[0].Status != mapper.Succeeded {
			t.Fatalf("link: %v %+v", err, results)
		}
	}
	b := p.signedIn(t, amina)
	b.get("/account").has(".account-provider", "ELSEWHERE").has(".account-number .number", "•••• 4433").lacks("5555444433")
	partner, err := p.register.Get(t.Context(), "BANK-A")
	if err != nil {
		t.Fatal(err)
	}
	s := b.get("/account/history").lacks("5555444433")
	if !strings.Contains(s.text(".changes"), "by "+partner.Name) {
		t.Errorf("history: %s", s.text(".changes"))
	}
	p.signedIn(t, josé).get("/account").has(".account-provider", "Far Bank").has(".account-number .number", "•••• 5678")
}

// A list that the registry's operator loaded is shown as what it is, not by a name that nobody knows.
func TestLinkedByOperator(t *testing.T) {
	p := newPortal(t)
	job := mapper.Import{ID: "list", ChunkSize: 1}
	if _, _, err := p.service.BeginImport(t.Context(), &job); err != nil {
		t.Fatal(err)
	}
	items := []mapper.Item{{ID: mapper.String(amina.ID), FA: mapper.String("account:5555444433@001.GREENVAL.bank_acc")}}
	if _, err := p.service.ImportChunk(t.Context(), job, 0, audit.Actor{Kind: audit.Command}, items, 0); err != nil {
		t.Fatal(err)
	}
	s := p.signedIn(t, amina).get("/account/history").lacks(mapper.Operator)
	if !strings.Contains(s.text(".changes"), "by staff") {
		t.Errorf("history: %s", s.text(".changes"))
	}
}

// A change that was begun on another state of the link does nothing, and says so.
func TestStaleChange(t *testing.T) {
	p := newPortal(t)
	here, there := p.signedIn(t, amina), p.signedIn(t, amina)
	check := here.toCheck("GREENVAL:001", "11112222")
	there.linkBank("GREENVAL:002", "33334444")
	here.submit(check, "main form", nil).shows(http.StatusConflict, "Your account was changed in the meantime")
	if got := p.stored(t, amina.ID).FA; got != "account:33334444@002.GREENVAL.bank_acc" {
		t.Errorf("stored %q", got)
	}
	here.leadsTo(here.get("/account/check"), "/account/change")

	check = here.toCheck("GREENVAL:001", "11112222")
	removal := here.get("/account/remove")
	p.later(time.Second)
	there.linkBank("GREENVAL:002", "55556666")
	here.get("/account/check").shows(http.StatusConflict, "Your account was changed in the meantime")
	here.leadsTo(here.submit(check, "main form", nil), "/account/done")
	here.submit(removal, "main form", nil).shows(http.StatusConflict, "Your account was changed in the meantime")
	if got := p.stored(t, amina.ID).FA; got != "account:55556666@002.GREENVAL.bank_acc" {
		t.Errorf("stored %q", got)
	}
	if n := len(p.history(t, amina.ID)); n != 2 {
		t.Errorf("%d changes, want 2", n)
	}
}

// What the person agreed to is kept with the change, in the language they read it in, and what the login provider vouched
// for to reach them.
func TestConsentIsKept(t *testing.T) {
	p := newPortal(t)
	reachable := amina
	reachable.Phone, reachable.Email = "0917 123 4567", "amina@example.org"
	b := p.signedIn(t, reachable)
	check := b.toCheck("GREENVAL:001", "11112222")
	shown := check.text("main > p:last-of-type")
	b.send(http.MethodPost, "/language", url.Values{web.FormTokenField: {b.pageToken()}, "language": {"fr"}, "return_to": {"/account"}})
	b.leadsTo(b.submit(check, "main form", nil), "/account/done")
	got := p.history(t, amina.ID)[0].Consent
	if got == nil || got.Text != shown || got.Language != "en" || got.Version == "" || shown == "" {
		t.Errorf("kept %+v, shown %q", got, shown)
	}

	removal := b.get("/account/remove")
	b.submit(removal, "main form", url.Values{"consent": {"<no language>"}})
	if got := p.history(t, amina.ID)[0].Consent; got == nil || got.Text == "" || got.Text == shown {
		t.Errorf("with the removal, %+v was kept", got)
	}
}

// Pressing twice, at once or later, changes once and shows the same outcome.
func TestDoubleSubmit(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	check := b.toCheck("GREENVAL:001", "11112222")
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			if s := b.submit(check, "main form", nil); s.status != http.StatusSeeOther || s.header.Get("Location") != "/account/done" {
				t.Errorf("status %d to %q", s.status, s.header.Get("Location"))
			}
		})
	}
	wait.Wait()
	b.leadsTo(b.submit(check, "main form", nil), "/account/done")
	if n := len(p.history(t, amina.ID)); n != 1 {
		t.Errorf("%d changes, want 1", n)
	}

	removal := b.get("/account/remove")
	b.submit(removal, "main form", nil)
	b.leadsTo(b.submit(removal, "main form", nil), "/account/done").shows(http.StatusOK, "Your account is removed")
	if n := len(p.history(t, amina.ID)); n != 2 {
		t.Errorf("%d changes, want 2", n)
	}
}

// A login of more than five minutes ago does not change an account: it is asked for again, and nothing typed is lost.
func TestFreshLogin(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	check := b.toCheck("GREENVAL:001", "11112222")
	p.later(web.FreshAge + time.Second)
	for name, s := range map[string]*screen{
		"begin":   b.get("/account/change"),
		"confirm": b.submit(check, "main form", nil),
	} {
		if s.status != http.StatusSeeOther || s.header.Get("Location") != "/auth/login/national-id" {
			t.Errorf("%s: status %d to %q", name, s.status, s.header.Get("Location"))
		}
	}
	if got := p.stored(t, amina.ID); got.Code != mapper.IDNotFound {
		t.Errorf("stored %+v", got)
	}
	b.get("/account").shows(http.StatusOK, "Where your money goes")

	b.logIn(amina)
	s := b.get("/account/check").shows(http.StatusOK, "Check before you confirm").has(".answers strong", "11112222")
	b.leadsTo(b.submit(s, "main form", nil), "/account/done").shows(http.StatusOK, "Your account is linked")

	removal := b.get("/account/remove")
	p.later(web.FreshAge + time.Second)
	if s := b.submit(removal, "main form", nil); s.header.Get("Location") != "/auth/login/national-id" {
		t.Errorf("remove: status %d to %q", s.status, s.header.Get("Location"))
	}
	if n := len(p.history(t, amina.ID)); n != 1 {
		t.Errorf("%d changes, want 1", n)
	}
}

// Only the session says whose account it is, whatever a form adds.
func TestOthersAreOutOfReach(t *testing.T) {
	p := newPortal(t)
	p.signedIn(t, josé).linkBank("GREENVAL:002", "99998888")
	b := p.signedIn(t, amina)
	check := b.toCheck("GREENVAL:001", "11112222")
	b.submit(check, "main form", url.Values{"id": {josé.ID}, "fa": {"account:666666@001.GREENVAL.bank_acc"}, "account_number": {"666666"}, "status": {"active"}})
	if got := p.stored(t, josé.ID).FA; got != "account:99998888@002.GREENVAL.bank_acc" {
		t.Errorf("the other's account is %q", got)
	}
	if got := p.stored(t, amina.ID).FA; got != "account:11112222@001.GREENVAL.bank_acc" {
		t.Errorf("the person's account is %q", got)
	}
	b.get("/account?id="+url.QueryEscape(josé.ID)).has(".account-number .number", "•••• 2222")
	b.get("/account/history?id="+url.QueryEscape(josé.ID)).has(".changes .number", "•••• 2222")
}

// Steps that come out of order lead back to the one that is missing.
func TestStepsOutOfOrder(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	for _, path := range []string{"/account/change/bank", "/account/change/bank/details", "/account/change/wallet", "/account/change/email/details", "/account/check"} {
		b.leadsTo(b.get(path), "/account/change")
	}
	b.leadsTo(b.get("/account/done"), "/account")
	b.leadsTo(b.get("/account/remove"), "/account")
	b.submit(b.get("/account/change"), "main form", url.Values{"kind": {"bank"}})
	b.leadsTo(b.get("/account/change/bank/details"), "/account/change/bank")
	b.leadsTo(b.get("/account/check"), "/account/change/bank")
	b.leadsTo(b.get("/account/change/wallet"), "/account/change")
	s := b.get("/account/change/bank?q=market")
	b.submit(s, "#results form", url.Values{"branch": {"GREENVAL:001"}})
	b.leadsTo(b.get("/account/check"), "/account/change/bank/details")
}

func TestNothingPersonalIsLogged(t *testing.T) {
	p := newPortal(t)
	b := p.signedIn(t, amina)
	b.linkBank("GREENVAL:001", "123456789012")
	b.submit(b.get("/account/remove"), "main form", nil)
	for _, secret := range []string{"9901", "123456789012", amina.Name} {
		if strings.Contains(p.log.String(), secret) {
			t.Errorf("the log contains %q", secret)
		}
	}
}
