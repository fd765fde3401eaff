package templates

// Search is a field to search a list with.
type Search struct {
	Action string
	Query  string
	Label  string
	Hint   string
	Target string // id of the list; empty: only as a form
}

// ListPages lead to the other pages of a list.
type ListPages struct {
	Label         string // which page this is; empty: it has no number
	Previous      string // empty: there is none
	PreviousLabel string
	Next          string
}

// DirectoryView lists the banks and wallet providers.
type DirectoryView struct {
	Page
	Actions   []Action
	Downloads []Action
	Search    Search
	Kind      Select
	Found     string
	Providers Table
	Pages     ListPages
	Branches  Table // found with the same words; without rows: none, or not searched
}

// EntryView is everything about one provider, branch or strategy.
type EntryView struct {
	Page
	BackHref string
	Name     string
	Code     string
	State    Mark
	Warning  string
	Actions  []Action
	Rows     []Row
}

// ProviderView is a bank or a wallet provider, with the branches of a bank.
type ProviderView struct {
	EntryView
	IsBank   bool
	Search   Search
	Found    string
	Branches Table
	Pages    ListPages
}

// ToggleView asks before something is closed, or opened again.
type ToggleView struct {
	Page
	BackHref   string
	Heading    string
	Paragraphs []string
	Rows       []Row
	Action     string
	Seen       string
	Confirm    string
	Final      bool // it takes something out of use
}

// EntryFormView asks what a provider, a branch or a strategy is like.
type EntryFormView struct {
	Page
	BackHref string
	Heading  string
	Action   string
	Seen     string // names the state shown, so that nobody else's change is overwritten
	Problems []Problem
	Rows     []Row // what cannot be changed
	Submit   string
}

// ProviderFormView asks what a bank or wallet provider is like.
type ProviderFormView struct {
	EntryFormView
	Code     Field // without a name where it cannot be changed, and so for Kind
	Name     Field
	Kind     Checks
	Strategy Select // without a name: there is nothing to choose
}

// BranchFormView asks what a branch is like.
type BranchFormView struct {
	EntryFormView
	Code   Field
	Fields []Field
}

// StrategiesView lists the strategies.
type StrategiesView struct {
	Page
	Actions    []Action
	Strategies Table
}

// StrategyView is a strategy.
type StrategyView struct {
	EntryView
	Patterns []Row
	Rules    []Row
	TryHref  string
}

// StrategyFormView asks what a strategy is like.
type StrategyFormView struct {
	EntryFormView
	Name        Field
	Kind        Checks
	Construct   Field
	Deconstruct Field
	Default     Checks
	Rules       []Field
	Chars       Select
	Check       Select
}

// StrategyTryView takes an address apart, and makes one.
type StrategyTryView struct {
	Page
	BackHref string
	Heading  string
	Action   string
	Address  Field
	Apart    []Row
	Values   []Field
	Made     string
	Again    []Row // the address made, taken apart again
	Problems []Problem
}

// ImportView takes a list.
type ImportView struct {
	Page
	Problems []Problem
	Complete Checks
	Text     Field
	File     Field
	Lists    []Table // what the columns of each kind of list are
}

// ImportSection is one kind of what an import would do.
type ImportSection struct {
	Heading string
	Note    string // that there are more than are shown
	Table   Table
}

// ImportPreviewView shows what an import would do, or has done.
type ImportPreviewView struct {
	Page
	Heading  string
	Lead     string
	Warnings []string
	Figures  []Row
	Sections []ImportSection
	Problems ImportSection
	Download string // the lines that cannot be used, as a file
	Action   string
	Digest   string
	Confirm  string // empty: there is nothing to confirm
	Final    bool   // it closes something
	Discard  string // empty: it is over
	Stale    bool
	Done     bool
}
