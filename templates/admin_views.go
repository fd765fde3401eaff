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
	Figures         []Row
	Expiring        Table
	CallsHeading    string
	Calls           Table
	RefusalsHeading string
	Refusals        Table
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
