package web

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// idTemplate makes the mapping's ID from claims: literal text around the names of claims in braces.
type idTemplate struct {
	literals []string // one more than claims
	claims   []string
}

var (
	claimInBraces = regexp.MustCompile(`\{([^{}]*)\}`)
	claimName     = regexp.MustCompile(`^[a-zA-Z0-9_.:/-]+$`)
	// claimValue is what of a claim may enter an ID. What separates the parts of an ID is not in it: a claim must not be
	// able to decide where the ID goes on.
	claimValue = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]{1,255}$`)
	mappingID  = regexp.MustCompile(`^(?:[A-Za-z0-9][A-Za-z0-9._-]*:)?[!-9;-?A-~]+@[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

func parseIDTemplate(text string) (idTemplate, error) {
	t := idTemplate{}
	end := 0
	for _, at := range claimInBraces.FindAllStringSubmatchIndex(text, -1) {
		name := text[at[2]:at[3]]
		if !claimName.MatchString(name) {
			return t, fmt.Errorf("id_template: {%s} is not a claim", name)
		}
		t.literals = append(t.literals, text[end:at[0]])
		t.claims = append(t.claims, name)
		end = at[1]
	}
	t.literals = append(t.literals, text[end:])
	if len(t.claims) == 0 || strings.ContainsAny(strings.Join(t.literals, ""), "{}") {
		return t, errors.New(`id_template must name a claim in braces, as in "token:{individual_id}@nationalid"`)
	}
	if !mappingID.MatchString(t.fill(func(string) string { return "x" })) {
		return t, errors.New("id_template must have the form [type:]value@provider")
	}
	return t, nil
}

func (t idTemplate) fill(value func(claim string) string) string {
	var id strings.Builder
	for i, claim := range t.claims {
		id.WriteString(t.literals[i])
		id.WriteString(value(claim))
	}
	id.WriteString(t.literals[len(t.claims)])
	return id.String()
}

// user makes our user of what was verified. No claim that is not in the ID token or the checked userinfo counts.
func (p *Provider) user(id *verified, info claimSet) (User, error) {
	user := User{
		Provider: p.ID, Audience: p.Audience, Subject: id.subject, Name: displayName(info, id.claims),
		AuthTime: id.authTime, IDToken: id.raw, SessionID: id.claims.text("sid"),
	}
	if p.Audience == Staff {
		return user, nil // their roles are roles' business
	}
	user.Phone = contact("phone_number", info, id.claims)
	user.Email = contact("email", info, id.claims)
	values := map[string]string{}
	for _, claim := range p.template.claims {
		value, err := stringClaim(claim, info, id.claims)
		if err != nil {
			return User{}, err
		}
		values[claim] = value
	}
	user.ID = p.template.fill(func(claim string) string { return values[claim] })
	return user, nil
}

// stringClaim finds a claim that makes an ID. If both the ID token and userinfo have it, they must agree.
func stringClaim(name string, sets ...claimSet) (string, error) {
	found := ""
	for _, set := range sets {
		claim, ok := set[name]
		if !ok {
			continue
		}
		value, _ := claim.(string)
		if !claimValue.MatchString(value) || found != "" && found != value {
			return "", refuse("claim " + name)
		}
		found = value
	}
	if found == "" {
		return "", refuse("claim " + name + " missing")
	}
	return found, nil
}

// displayName is the person's name as the provider writes it, in any language; it is shown and nothing else.
func displayName(sets ...claimSet) string {
	for _, set := range sets {
		names := []string{"name"}
		for _, key := range slices.Sorted(maps.Keys(set)) {
			if strings.HasPrefix(key, "name#") {
				names = append(names, key)
			}
		}
		for _, name := range names {
			if text := cleanName(set.text(name)); text != "" {
				return text
			}
		}
	}
	return ""
}

// contact is a phone number or e-mail address of the person. It is left out where the provider itself does not vouch for it,
// where it is nothing that could be written to, or where the ID token and userinfo contradict each other: a message to the
// wrong person is worse than none.
func contact(name string, sets ...claimSet) string {
	found := ""
	for _, set := range sets {
		claim, ok := set[name]
		if !ok {
			continue
		}
		value, _ := claim.(string)
		value = strings.TrimSpace(value)
		verified, said := set[name+"_verified"]
		if value == "" || len(value) > maxContact || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) ||
			said && verified != true && verified != "true" || found != "" && found != value {
			return ""
		}
		found = value
	}
	return found
}

// maxContact is the length of the longest e-mail address there can be.
const maxContact = 254

func cleanName(text string) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, text))
	if runes := []rune(text); len(runes) > 120 {
		return string(runes[:120])
	}
	return text
}
