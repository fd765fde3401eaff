package templates

// Table is a table of an admin page. The first cell of a row is what the row is about.
type Table struct {
	Caption string
	Columns []Column
	Rows    [][]Cell
	Empty   string // said in place of a table without rows
}

// Column is one column of a table.
type Column struct {
	Label string
	Count bool // holds numbers
}

// Cell is one cell of a table.
type Cell struct {
	Text   string
	Detail string // a second line
	Href   string
	Mark   string // kind of tag, see [Mark]; empty: plain text
	Code   bool   // to be compared character by character
	Log    bool   // in the words of the log, which are English
}

// The kinds of tags.
const (
	Good    = "good"
	Waiting = "waiting"
	Bad     = "bad"
	Neutral = "neutral"
)

// Mark is a tag: a short word about a state.
type Mark struct {
	Text string
	Kind string
}

// OverviewView is where staff begin.
type OverviewView struct {
	Page
	Figures  []Row
	Pending  Table  // without rows: nothing waits
	Cases    string // how many are open
	Notices  string // how many messages to people wait; empty: they get none
	Expiring Table
	Links    Plot
	Changes  Plot
	Calls    Bars
	Refusals Bars
}

// Shape is a part of a drawing.
type Shape struct {
	Series string // class: its colour
	Path   string // as in SVG
}

// ChartKey says what a colour stands for.
type ChartKey struct {
	Series string
	Label  string
	Value  string
}

// Numbers is a table of numbers. The first text of a row is what it is about.
type Numbers struct {
	Caption string
	Columns []string
	Rows    [][]string
}

// Plot is a chart of values over time.
type Plot struct {
	ID      string
	Title   string
	Spoken  string // what it shows, for those who do not see it
	Box     string
	Grid    string
	Scale   []string // from the top to the bottom
	Shapes  []Shape
	From    string
	To      string
	Keys    []ChartKey
	Numbers Numbers
}

// Bar is one bar of a chart.
type Bar struct {
	Label  string
	Href   string
	Value  string
	Shapes []Shape
}

// Bars is a chart that compares what is named.
type Bars struct {
	ID    string
	Title string
	Hint  string
	Box   string
	Keys  []ChartKey
	Bars  []Bar
	More  string // note that only the longest are drawn; empty if all are
	Table Table
}

// NoticesView is how messages to people fare.
type NoticesView struct {
	Page
	Counts Table
	Resend []LoginButton // of the channels with messages that were given up
}

// StaffSignInView offers the login providers for staff.
type StaffSignInView struct {
	Page
	Logins []LoginButton
}

// PartnersView lists partners.
type PartnersView struct {
	Page
	MayChange bool
	Query     string
	Found     string
	Partners  Table
}

// Option is one of several to choose.
type Option struct {
	Value   string
	Label   string
	Hint    string
	Checked bool
}

// Select is a choice from a list.
type Select struct {
	Name    string
	Label   string
	Options []Option
}

// Checks is a group of boxes to tick, or of which one is to be chosen.
type Checks struct {
	Name    string
	Label   string
	Hint    string
	Error   string
	One     bool
	Options []Option
}

// AuditView lists what was done.
type AuditView struct {
	Page
	Action   Select
	Partner  Field
	Actor    Field
	From     Field
	Until    Field
	Download string // the same filter as a file
	Events   Table
	Older    string // the next page; empty on the last one
	Tampered bool   // the end of the log is not as it was left
	End      string // which event is the last one
	Hash     string // its hash
}

// Problems are the messages at this field and at others, for the error summary.
func (f Field) Problems(others ...Field) []Problem {
	var list []Problem
	for _, field := range append([]Field{f}, others...) {
		if field.Error != "" {
			list = append(list, Problem{Target: field.Name, Text: field.Error})
		}
	}
	return list
}

// StepView is one step of an onboarding.
type StepView struct {
	Label   string
	Done    bool
	Current bool
}

// Action leads to something that can be done.
type Action struct {
	Label string
	Href  string
}

// CertificateView is one certificate of a partner.
type CertificateView struct {
	State       Mark
	Note        string
	Short       string // the beginning of the fingerprint, to tell one from another
	Fingerprint []string
	Rows        []Row
	RevokeHref  string // empty: it cannot be revoked here
	UploadHref  string // gives it to the key manager elsewhere; empty: it has it, or there is none
}

// PartnerView is everything about one partner.
type PartnerView struct {
	Page
	Path           string
	Name           string
	Reference      string
	State          Mark
	MayChange      bool
	NextHref       string // the step of the onboarding that comes next; empty: it is over
	NextLabel      string
	Warning        string
	Pending        Table
	Actions        []Action
	Settings       []Row
	Certificates   []CertificateView
	AddCertificate string
	CallsHeading   string
	Calls          Table
	Refusals       Table
	Events         Table
	AllEvents      string
}

// CasesView lists what people reported as not their doing.
type CasesView struct {
	Page
	Open    Table
	More    string // note that there are more open ones; empty if there are not
	Settled Table
	Older   string // the next page of settled ones; empty on the last one
}

// ReportedView is a change that a person reported.
type ReportedView struct {
	What string
	Rows []Row
}

// AdminCaseView is everything about one case that staff need to settle it.
type AdminCaseView struct {
	Page
	Heading    string
	State      Mark
	Rows       []Row
	SettleHref string // empty: it is settled, or who looks may not
	Reported   []ReportedView
	Changes    Table
	Events     Table
}

// SettleView asks how a case shall end.
type SettleView struct {
	Page
	BackHref string
	Heading  string
	Action   string
	State    string // names the state of the link that is shown
	Problems []Problem
	Rows     []Row
	Warning  string
	Text     string // instead of the choice, where there is none
	Outcome  Checks
	Note     Field
	Submit   string
}

// ConfirmView asks before something that matters.
type ConfirmView struct {
	Page
	BackHref    string
	Steps       []StepView
	Problem     string
	Heading     string
	Paragraphs  []string
	Rows        []Row
	Now         []Row // what these replace
	Fingerprint []string
	Action      string
	Confirm     string // empty: it cannot be confirmed by who looks at it
	Final       bool   // it cannot be undone, or stops a partner's calls
	OtherAction string // what can be done instead; empty: nothing
	Other       string
}

// NewPartnerView asks for a new partner's name and reference id.
type NewPartnerView struct {
	Page
	Steps     []StepView
	Name      Field
	Reference Field
}

// CertificateFormView takes a certificate.
type CertificateFormView struct {
	Page
	BackHref  string
	Steps     []StepView
	Heading   string
	Action    string
	File      Field
	Text      Field
	Algorithm Select
	Until     Field // end of the overlap; without a name where there is nothing to overlap with
}

// CertificateCheckView shows a certificate before it is added.
type CertificateCheckView struct {
	Page
	BackHref    string
	Steps       []StepView
	Action      string
	Upload      string // base64 of what was uploaded, to be judged once more
	Algorithm   string
	Until       string
	Problem     string
	Fingerprint []string
	Rows        []Row
	Compared    Checks
}

// SettingsView asks what a partner may do.
type SettingsView struct {
	Page
	BackHref      string
	Steps         []StepView
	Heading       string
	Action        string
	Seen          string // names the state shown, so that nobody else's change is overwritten
	Problems      []Problem
	Name          Field
	Permissions   Checks
	Scope         Checks
	ProvidersOpen bool
	Providers     Checks
	Codes         Field // of further ones; none if all are listed
	Callback      Field
	LimitsLabel   string
	LimitsHint    string
	Limits        []Field
	Submit        string
}

// TrialStep is one step of a validation.
type TrialStep struct {
	Title  string
	State  Mark
	Detail string
	Rows   []Row
	Tables []Table
}

// TryView shows how the signature of a message is validated.
type TryView struct {
	Page
	BackHref  string
	Action    string
	Signature Field
	Body      Field
	File      Field
	Tried     bool
	Verified  bool
	Verdict   string
	Detail    string
	Hints     []string
	Notes     []string
	Trial     []TrialStep
}

// AnchorView is an authority whose certificates partners may have.
type AnchorView struct {
	Name        string
	State       Mark
	Note        string
	Fingerprint []string
	Rows        []Row
	RemoveHref  string // empty: it cannot be removed here
}

// AnchorsView lists the authorities.
type AnchorsView struct {
	Page
	MayChange bool
	Anchors   []AnchorView
}

// AnchorFormView takes the certificate of an authority.
type AnchorFormView struct {
	Page
	Name Field
	File Field
	Text Field
}

// AnchorCheckView shows an authority's certificate before it is trusted.
type AnchorCheckView struct {
	Page
	Upload      string // base64 of what was uploaded, to be judged once more
	Name        string
	Problem     string
	Fingerprint []string
	Rows        []Row
	Compared    Checks
}
