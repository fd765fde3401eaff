package notices

import (
	"context"
	"crypto/rand"
	"regexp"
	"strings"
	"unicode"

	"github.com/google/uuid"

	"spar/mapper"
	"spar/web/i18n"
)

// message writes a notice in the language of the record. Nothing of the person is in it but the masked account, and the
// link in it carries nothing but the number of the change: who follows it has to sign in.
func (o *Outbox) message(ctx context.Context, channel string, id uuid.UUID, f facts) Message {
	ctx = i18n.With(ctx, i18n.Negotiate("", strings.ReplaceAll(f.Locale, "_", "-")))
	key := keyOf(ctx, f.Action)
	what := o.what(ctx, key, f)
	by := o.by(ctx, f)
	link := o.c.PortalURL + "/account/history/" + f.ChangeID + "/not-me"
	// A mark right behind a link would become part of it where a program finds links by itself.
	notMe := strings.ReplaceAll(i18n.T(ctx, "notice.not_me", "link", link), "\u2068"+link+"\u2069", link)
	m := Message{ID: id.String(), To: f.To}
	if channel == SMS {
		m.Text = undirected.Replace(strings.Join([]string{named(ctx, o.c.ShortName, "service.short_name") + ": " + what, by, notMe}, " "))
		return m
	}
	m.Subject = i18n.T(ctx, key+"subject")
	m.Text = strings.Join([]string{
		what, by, i18n.T(ctx, "notice.reference", "reference", f.ChangeID), notMe,
		i18n.T(ctx, "layout.never_ask"), named(ctx, o.c.ServiceName, "service.name"),
	}, "\n\n") + "\n"
	return m
}

// named is the service as its host calls it, or as it calls itself.
func named(ctx context.Context, host func(language string) string, key string) string {
	if host != nil {
		if name := host(i18n.Language(ctx)); name != "" {
			return name
		}
	}
	return i18n.T(ctx, key)
}

// undirected takes out the marks that set values of the other direction apart: old telephones show them as boxes.
var undirected = strings.NewReplacer("\u2068", "", "\u2069", "", "\u200e", "", "\u200f", "")

// TestMessage is a message about nothing, to try a channel with.
func TestMessage(to string) Message {
	ctx := context.Background()
	return Message{ID: rand.Text(), To: to, Subject: i18n.T(ctx, "notice.test.subject"), Text: i18n.T(ctx, "notice.test.text")}
}

// keyOf is where the texts about an action are. Whatever happens to a link, people are told that something did.
func keyOf(ctx context.Context, action mapper.Action) string {
	key := "notice." + string(action) + "."
	if subject := key + "subject"; i18n.T(ctx, subject) == subject {
		return "notice.other."
	}
	return key
}

// by says who did it, and when.
func (o *Outbox) by(ctx context.Context, f facts) string {
	when := i18n.DateTime(ctx, f.At.In(o.c.Location))
	switch {
	case f.ByBeneficiary:
		return i18n.T(ctx, "notice.by_you", "when", when)
	case strings.HasPrefix(f.Partner, "("): // mapper.Operator and the like, which no partner can be called
		return i18n.T(ctx, "notice.by_staff", "when", when)
	default:
		return i18n.T(ctx, "notice.by_partner", "partner", line(o.c.PartnerName(ctx, f.Partner)), "when", when)
	}
}

// what says what happened to whoever has the role. An action that has one text for everybody has it under both.
func (o *Outbox) what(ctx context.Context, key string, f facts) string {
	args := []any{"old", o.account(ctx, f.Old), "new", o.account(ctx, f.New), "when", i18n.DateTime(ctx, f.EffectiveAt.In(o.c.Location))}
	if text := i18n.T(ctx, key+f.Role, args...); text != key+f.Role {
		return text
	}
	return i18n.T(ctx, key+roleBoth, args...)
}

// account names an account by its bank or wallet, and the end of its number.
func (o *Outbox) account(ctx context.Context, a *account) string {
	switch {
	case a == nil:
		return ""
	case a.Shown == "":
		return provider(ctx, a)
	case a.Kind == mapper.EmailWallet:
		return i18n.T(ctx, "notice.account.email_wallet", "provider", provider(ctx, a), "address", a.Shown)
	default:
		return i18n.T(ctx, "notice.account.number", "provider", provider(ctx, a), "end", a.Shown)
	}
}

// provider names a bank or wallet, or says what kind of account it is.
func provider(ctx context.Context, a *account) string {
	if name := line(a.Provider); name != "" {
		return name
	}
	return i18n.T(ctx, "account_kind."+string(a.Kind))
}

// line makes a name of somebody else's choosing one line of plain text, without an address that could pass for ours: programs
// make a link of whatever has a dot between two letters.
func line(name string) string {
	name = strings.ReplaceAll(strings.Map(printable, name), "://", " ")
	name = dotted.ReplaceAllString(name, " $1")
	return strings.Join(strings.Fields(name), " ")
}

var dotted = regexp.MustCompile(`[.。．｡]+([\p{L}\p{N}])`)

func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return ' '
	}
	return r
}
