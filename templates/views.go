// Package templates draws the portal's pages and their fragments. It only displays: every view holds strings that are ready
// to show, in the order of the screen, with account numbers already masked. Nothing here loads, decides or formats.
//
// A name ending in Page is a whole document; other components are parts of one, and answer htmx where they have an id.
package templates

import "spar/web"

// FormTokenField is the name of the hidden field with the session's form token, on every form that posts.
const FormTokenField = web.FormTokenField

// Page is what all pages share.
type Page struct {
	Title     string
	Section   Section
	SignedIn  bool
	Staff     bool // drawn for staff: their navigation, in place of the beneficiaries'
	MayLook   bool // staff with a role: there are pages to go to
	FormToken string
	Flash     string
	Path      string // where choosing a language returns to
	Brand     Brand
	Session   *SessionNotice
	Step      *Step // of a change; nil on other pages
}

// Step says how far the person has come.
type Step struct {
	Number string
	Of     string
	Text   string
}

// Brand is whose portal it is.
type Brand struct {
	Name       string // of the service
	ShortName  string // in the head of the page
	Title      string // what the titles of the area's pages end with
	Logo       string // URL; empty: our own mark
	Stylesheet string // URL of the host's colours; empty: none
	Support    Support
}

// Support is whom to ask for help. What is empty is not shown.
type Support struct {
	Phone     string
	PhoneHref string
	URL       string
	Text      string
}

// HasAny reports whether there is somebody to ask.
func (s Support) HasAny() bool { return s != Support{} }

// SessionNotice is what a page for somebody who is signed in says about the end of the session. The script uses the
// seconds; without it, the note is all there is.
type SessionNotice struct {
	Left      string // seconds until the session ends if nothing is done
	Last      string // seconds until it ends in any case
	Warn      string // how many seconds before the end to ask
	IsLast    bool   // it ends in any case, used or not
	Note      string
	Ask       string // where the script asks, and where it says that the person stays
	EndedHref string // the page that says that it has ended
	LoginHref string // logs in again, and leads back here
}

// Section is the part of the portal that the navigation marks as current.
type Section string

// The sections.
const (
	Elsewhere Section = ""
	Account   Section = "account"
	History   Section = "history"
	Lookups   Section = "lookups"
	Profile   Section = "profile"

	AdminOverview  Section = "admin"
	AdminPartners  Section = "admin/partners"
	AdminAnchors   Section = "admin/trust-anchors"
	AdminDirectory Section = "admin/directory"
	AdminCases     Section = "admin/cases"
	AdminAudit     Section = "admin/audit"
)

// Masked is an account number as it may be shown, and as a screen reader should say it.
type Masked struct {
	Shown   string
	Spoken  string
	Address bool // an e-mail address, of which more is shown than of a number
}

// AccountCard shows one account.
type AccountCard struct {
	Icon     string
	Kind     string
	Provider string
	Branch   string // empty for wallets
	Number   Masked
}

// Field is a text input with its label, hint and message.
type Field struct {
	Name         string
	Label        string
	Hint         string
	Value        string
	Error        string
	Type         string
	InputMode    string
	Autocomplete string
	Direction    string // ltr for numbers and addresses, in right-to-left languages too
}

// Problem is one line of the error summary, linked to its field.
type Problem struct {
	Target string // id of the field
	Text   string
}

// Row is one line of a summary list.
type Row struct {
	Key        string
	Value      string
	Detail     string
	Strong     bool   // the value is to be compared character by character
	ChangeHref string // empty: cannot be changed here
	ChangeWhat string // said by screen readers after "change"
}

// LoginButton leads to a login provider.
type LoginButton struct {
	Label string
	Href  string
}

// HomeView is the first page.
type HomeView struct {
	Page
	Logins []LoginButton
}

// AccountView is where the person's money goes.
type AccountView struct {
	Page
	Linked   bool
	Inactive bool
	Case     *CaseNotice // nil: there is nothing to say
	Stopped  bool        // by the person's report
	Card     AccountCard
	Since    string
	Waiting  *HeldChange // nil: nothing waits
}

// HeldChange is a change that waits until its hold ends.
type HeldChange struct {
	Change  string // its reference number
	Heading string
	From    string // from when the money goes to the card's account
	Card    AccountCard
	Until   string // what holds until then
	Asked   string // when it was asked for
	Stop    string // label of what leads to stopping it
}

// KeepView asks whether a change that waits shall be stopped.
type KeepView struct {
	Page
	Heading string
	Linked  bool
	Current AccountCard
	Waiting *HeldChange
}

// KindOption is one kind of account to choose.
type KindOption struct {
	Value   string
	Label   string
	Hint    string
	Icon    string
	Checked bool
}

// KindView asks which kind of account.
type KindView struct {
	Page
	Changing bool
	Current  AccountCard
	Options  []KindOption
	Problem  string
	Waiting  *HeldChange // nil: nothing waits
	Replaces string      // that another change takes the place of the one that waits
}

// BranchChoice is one branch found.
type BranchChoice struct {
	Value   string
	Name    string // of the bank; where the bank is chosen already, of the branch
	Branch  string // of the branch, unless that is the name
	Place   string
	Code    string
	Address string
}

// NarrowLink leads to the branches of one bank, or in one town.
type NarrowLink struct {
	Name  string
	Count string
	Href  string
}

// Narrow offers to choose a bank or a town first.
type Narrow struct {
	Heading string
	Links   []NarrowLink
}

// ResultPages leads through what was found, of several pages. Position is empty if there is one page only.
type ResultPages struct {
	Position     string
	PreviousHref string
	NextHref     string
}

// BranchResults is what a search found.
type BranchResults struct {
	FormToken    string
	Announcement string // said by screen readers while the person types
	Heading      string // empty: nothing is listed yet
	Advice       string
	AllHref      string // where the banks are chosen from, after a search in vain
	Narrow       Narrow
	Choices      []BranchChoice
	Pages        ResultPages
}

// Chosen is something that was chosen before, and can be changed.
type Chosen struct {
	Key        string
	Value      string
	ChangeHref string
	ChangeWhat string // said by screen readers after "change"
}

// BankView asks which branch.
type BankView struct {
	Page
	Query    string
	Problem  string
	Hint     string
	BankCode string // that was chosen
	Town     string
	Chosen   []Chosen
	Results  BranchResults
}

// ProviderChoice is one wallet provider.
type ProviderChoice struct {
	Code     string
	Name     string
	Initials string // stand for a logo
	Tone     string // class of their colours
}

// WalletView asks which wallet provider.
type WalletView struct {
	Page
	Heading   string
	Action    string
	Providers []ProviderChoice
	Problem   string
}

// DetailsView asks for the account number, phone number or e-mail address.
type DetailsView struct {
	Page
	Heading    string
	Action     string
	ChooseHref string // back to the choice of bank or provider
	Icon       string
	Provider   string
	Branch     string
	Field      Field
}

// CheckView shows everything once more before it counts.
type CheckView struct {
	Page
	Changing bool
	Current  AccountCard
	BackHref string
	Rows     []Row
	Language string // the language of the consent shown
	Stopped  bool   // payments are, and stay so
	Consent  string
	Held     string      // from when on the change counts; empty: at once
	Waiting  *HeldChange // whose place it takes; nil: nothing waits
}

// DoneView confirms a change.
type DoneView struct {
	Page
	Heading   string
	Reference string
	When      string
	Removed   bool
	Card      AccountCard
	Stopped   bool   // payments are, and stay so
	Held      string // that the card's account has to wait; empty: it does not
	Stop      string // label of what leads to stopping it
	Kept      bool   // a change that waited is not made
}

// RemoveView asks whether the account shall really be removed.
type RemoveView struct {
	Page
	Card     AccountCard
	Waiting  *HeldChange // that is stopped as well; nil: nothing waits
	Held     string      // from when on another account could be used; empty: at once
	State    string      // names the state shown, so that the removal of something else can be refused
	Language string      // the language of the warning shown
}

// CaseNotice says on the account page what becomes of what the person reported.
type CaseNotice struct {
	Open    bool
	Number  string
	Heading string
	Text    string
	More    string // what is behind the link to the case
}

// NotMeView explains what happens when the person says that a change was not theirs.
type NotMeView struct {
	Page
	Entry    HistoryEntry
	Action   string
	Linked   bool
	Open     string // that payments are stopped already; empty if they are not
	Reported string // that the person reported this very change; empty if they did not
	Confirm  string
}

// CaseView tells what becomes of what the person reported.
type CaseView struct {
	Page
	Heading string
	Open    bool
	Number  string
	When    string
	Outcome string // of a settled case
	Advice  string // what to do now, of a settled case
	Linked  bool
	Card    AccountCard
}

// HistoryEntry is one change.
type HistoryEntry struct {
	Icon      string
	What      string
	Account   string
	Number    Masked
	When      string
	Time      string // RFC 3339
	By        string
	Note      string // what more there is to say of a change that is or was held
	Stop      string // label of what leads to stopping it; empty: it does not wait
	Reference string
	NotMe     string // where it is reported; empty on the page that asks
	Reported  string // that the person reported it; empty if not
}

// HistoryView lists the changes, the newest first.
type HistoryView struct {
	Page
	Entries []HistoryEntry
	More    string // note that older changes are not listed; empty if all are
}

// LookupEntry is a partner that looked on a day.
type LookupEntry struct {
	What string
	When string
	Time string // RFC 3339
}

// LookupMonth groups entries.
type LookupMonth struct {
	Heading string
	Entries []LookupEntry
}

// Pages lead through a list that is longer than one page.
type Pages struct {
	Newer string // address; empty on the first page
	Place string // which page this is; empty: there is only one
	Older string // address; empty on the last page
}

// LookupsView lists who saw the details of the person's account, the latest first.
type LookupsView struct {
	Page
	Months []LookupMonth
	Pages  Pages
	More   string // note that older ones are not listed; empty if all are
	Kept   string
}

// ProfileView shows who is signed in.
type ProfileView struct {
	Page
	Rows []Row
}

// EndedView says that the session has ended.
type EndedView struct {
	Page
	Heading    string
	Paragraphs []string
	Logins     []LoginButton
}

// ErrorView says what went wrong and what to do.
type ErrorView struct {
	Page
	Heading     string
	Paragraphs  []string
	ActionLabel string
	ActionHref  string
	Icon        string
	Ask         string // whom to ask, where the host names nobody; empty: nobody is needed
	Support     string // number of the request, for support; empty: none
}
