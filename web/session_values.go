package web

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Keys of the session's values. All values are strings: whatever else gob can hold, a later version may fail to read.
const (
	userKey   = "user"
	flashKey  = "flash"
	draftKey  = "draft"
	doneKey   = "done"
	stepUpKey = "step-up"
)

// User is who is logged in, as a login provider vouched for them.
type User struct {
	Provider string    `json:"provider"` // id of the login provider
	Audience string    `json:"audience"` // Beneficiary or Staff: decides which pages there are for the user
	Subject  string    `json:"subject"`  // the provider's name for the user
	ID       string    `json:"id"`       // the mapping's ID, from id_template; empty for staff
	Name     string    `json:"name"`     // may be empty
	Phone    string    `json:"phone"`    // as the provider writes it, for messages to the person; may be empty
	Email    string    `json:"email"`    // the same
	Roles    []string  `json:"roles"`    // our roles; only ever set for staff
	AuthTime time.Time `json:"auth_time"`
	IDToken  string    `json:"id_token"` // for logging out at the provider
	// SessionID is the provider's name for the session that the user has there (sid), by which it can end ours. It may be
	// empty.
	SessionID string `json:"sid"`
}

// The audiences of login providers. A user of one never counts as a user of the other.
const (
	Beneficiary = "beneficiary"
	Staff       = "staff"
)

// The roles of staff. An administrator may change, an auditor may only look.
const (
	Admin   = "admin"
	Auditor = "auditor"
)

// Has reports whether the user is staff and holds one of the roles. Nobody else has any, whatever the session says.
func (u User) Has(roles ...string) bool {
	return u.Audience == Staff && slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(u.Roles, role) })
}

// Draft is a change of account the user has begun and not yet confirmed.
type Draft struct {
	Kind      string `json:"kind"`      // bank, mobile_wallet or email_wallet
	DFSP      string `json:"dfsp"`      // code of the bank or wallet provider
	Branch    string `json:"branch"`    // code of the bank's branch
	Account   string `json:"account"`   // account number, phone number or e-mail address
	Reference string `json:"reference"` // names the change, so that a repeated confirmation is recognised
	Base      string `json:"base"`      // names the state of the link that the user saw when the change began
}

// SignIn makes user the session's user. The session gets a new token and a new absolute end. What an earlier user left
// in the session, an unfinished change above all, is dropped unless it was the same person.
func (s *Sessions) SignIn(ctx context.Context, user User) error {
	before, ok := s.User(ctx)
	if !ok || before.Provider != user.Provider || before.Subject != user.Subject {
		if err := s.scs.Clear(ctx); err != nil {
			return fmt.Errorf("clear session: %w", err)
		}
	}
	if err := s.scs.RenewToken(ctx); err != nil {
		return fmt.Errorf("renew session token: %w", err)
	}
	s.scs.SetDeadline(ctx, s.now().Add(s.lifetime).UTC())
	s.put(ctx, userKey, user)
	return nil
}

// User returns who is logged in.
func (s *Sessions) User(ctx context.Context) (User, bool) {
	var user User
	return user, s.get(ctx, userKey, &user)
}

// SignOut ends the session, for good, in the database before it returns.
func (s *Sessions) SignOut(ctx context.Context) error {
	st := stateOf(ctx)
	if err := s.scs.Destroy(ctx); err != nil {
		return err
	}
	st.changed, st.ended = false, true
	s.setCookie(ctx, s.cookies.make(loginCookie, "", -1))
	s.setCookie(ctx, s.cookies.make(formCookie, "", -1))
	return nil
}

// Flash leaves a message for the next page; key is a key of the message catalogue.
func (s *Sessions) Flash(ctx context.Context, key string) { s.put(ctx, flashKey, key) }

// TakeFlash returns the message left for this page and removes it; empty if there is none. Call it before rendering.
func (s *Sessions) TakeFlash(ctx context.Context) string {
	var key string
	if s.get(ctx, flashKey, &key) {
		s.remove(ctx, flashKey)
	}
	return key
}

// SetDraft keeps an unfinished change.
func (s *Sessions) SetDraft(ctx context.Context, draft Draft) { s.put(ctx, draftKey, draft) }

// Draft returns the unfinished change.
func (s *Sessions) Draft(ctx context.Context) (Draft, bool) {
	var draft Draft
	return draft, s.get(ctx, draftKey, &draft)
}

// ClearDraft forgets the unfinished change.
func (s *Sessions) ClearDraft(ctx context.Context) { s.remove(ctx, draftKey) }

// Done is the outcome of the user's last confirmed change.
type Done struct {
	Action   string    `json:"action"`    // such as link, update or unlink
	ChangeID string    `json:"change_id"` // the reference number to show
	Stopped  string    `json:"stopped"`   // the waiting change that it stopped
	At       time.Time `json:"at"`
}

// Finish replaces the unfinished change by its outcome, for the page that shows it.
func (s *Sessions) Finish(ctx context.Context, done Done) {
	s.ClearDraft(ctx)
	s.put(ctx, doneKey, done)
}

// Done returns the outcome of the last change of this session.
func (s *Sessions) Done(ctx context.Context) (Done, bool) {
	var done Done
	return done, s.get(ctx, doneKey, &done)
}

// stepUp remembers that the user was sent to log in again, and where to go from there.
type stepUp struct {
	Return string    `json:"return"`
	At     time.Time `json:"at"`
}

// AskStepUp notes that the next login of this session must be a fresh one and leads to the path.
func (s *Sessions) AskStepUp(ctx context.Context, path string) {
	s.put(ctx, stepUpKey, stepUp{Return: path, At: s.now()})
}

// TakeStepUp returns the path of a fresh login that was asked for a moment ago, once.
func (s *Sessions) TakeStepUp(ctx context.Context) (path string, ok bool) {
	var asked stepUp
	if !s.get(ctx, stepUpKey, &asked) {
		return "", false
	}
	s.remove(ctx, stepUpKey)
	return asked.Return, s.now().Sub(asked.At) < attemptLife
}

var languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$`)

// Language returns the language the browser chose earlier; empty if it did not. It is a preference of the browser, kept
// in a cookie of its own: it is known before and after a login.
func (s *Sessions) Language(ctx context.Context) string {
	st := stateOf(ctx)
	if st == nil {
		return ""
	}
	if tag := s.cookies.read(st.request, languageCookie); languageTag.MatchString(tag) {
		return tag
	}
	return ""
}

// SetLanguage remembers a language for a year. It takes effect with the next request.
func (s *Sessions) SetLanguage(ctx context.Context, tag string) {
	if languageTag.MatchString(tag) {
		s.setCookie(ctx, s.cookies.make(languageCookie, tag, 365*24*60*60))
	}
}

func (s *Sessions) put(ctx context.Context, key string, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic("web: session value: " + err.Error()) // our own plain structs always marshal
	}
	s.change(ctx)
	s.scs.Put(ctx, key, string(text))
}

func (s *Sessions) get(ctx context.Context, key string, value any) bool {
	if stateOf(ctx) == nil {
		return false
	}
	text := s.scs.GetString(ctx, key)
	return text != "" && json.Unmarshal([]byte(text), value) == nil
}

func (s *Sessions) remove(ctx context.Context, key string) {
	if s.scs.Exists(ctx, key) {
		s.change(ctx)
		s.scs.Remove(ctx, key)
	}
}
