package demo_test

import (
	"context"
	"net/http"
	"net/smtp"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

func TestInboxShowsWhatArrives(t *testing.T) {
	s := listen(t, t.TempDir(), "127.0.0.1:0")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	page := func() *goquery.Document {
		t.Helper()
		response, err := http.Get(s.InboxURL())
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		document, err := goquery.NewDocumentFromReader(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return document
	}
	if text := page().Find("main").Text(); !strings.Contains(text, "Nothing has arrived yet") {
		t.Errorf("empty: %s", text)
	}
	mail := "Subject: =?UTF-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nOne =\r\nline <b>.\r\n\r\nhttp://127.0.0.1/x?a=3D1 and more\r\n"
	address := strings.TrimPrefix(s.Inbox.MailURL(), "smtp://")
	if err := smtp.SendMail(address, nil, "a@example.org", []string{"amina.diallo@example.org"}, []byte(mail)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		token, body string
		want        int
	}{
		{s.Inbox.Token(), `{"to":"+12025550106","text":"Hello https://spar.example.org/a"}`, http.StatusAccepted},
		{s.Inbox.Token(), `{}`, http.StatusBadRequest},
		{"", `{"to":"+12025550106","text":"Forged"}`, http.StatusUnauthorized},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.SMSURL(), strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+test.token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != test.want {
			t.Errorf("%s: status %d, want %d", test.body, response.StatusCode, test.want)
		}
	}
	messages := page().Find(".message")
	if messages.Length() != 2 {
		t.Fatalf("%d messages", messages.Length())
	}
	sms, email := messages.Eq(0), messages.Eq(1)
	if !strings.Contains(sms.Find("h2").Text(), "Kwame Mensah") || sms.Find("a").AttrOr("href", "") != "https://spar.example.org/a" {
		t.Errorf("text message: %s", sms.Text())
	}
	if !strings.Contains(email.Find("h2").Text(), "Amina Diallo") || email.Find(".subject").Text() != "Grüße" ||
		!strings.Contains(email.Find(".text").Text(), "One line <b>.") || email.Find("a").AttrOr("href", "") != "http://127.0.0.1/x?a=1" {
		t.Errorf("e-mail: %s", email.Text())
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
