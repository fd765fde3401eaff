package handlers

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// SelfService is the portal's reference id as a partner of the mapper.
const SelfService = "SPAR-SELF-SERVICE"

// Portal is the pages for beneficiaries. It acts for the person of the session and for nobody else: the ID it hands to the
// mapper is always the session's. What is typed into it waits in the session until it is confirmed, and is never part of
// an address.
type Portal struct {
	Mapper      mapper.Mapper
	History     History
	Lookups     Lookups
	Reports     Reports
	Holds       Holds
	Directory   Directory
	Strategies  Strategies
	Partners    Partners
	Sessions    *web.Sessions
	Login       *Login
	LookupsKept time.Duration  // how long look-ups are kept
	Region      string         // ISO 3166 code of the country of phone numbers without a country code; empty: they need one
	Location    *time.Location // the time zone of the dates shown
	Now         func() time.Time
	Log         *slog.Logger
}

// History lists the changes of an ID's link, newest first.
type History interface {
	History(ctx context.Context, id mapper.ID, limit int) ([]mapper.Change, error)
}

// Lookups lists who saw the details of an ID's account on which days, the latest first.
type Lookups interface {
	Lookups(ctx context.Context, id mapper.ID, limit int) ([]mapper.Lookup, error)
}

// Holds stops changes that wait for their hold to end. An error that is [mapper.ErrNotHeld] says that this one does not wait
// any more.
type Holds interface {
	CancelHeld(ctx context.Context, by mapper.Actor, id mapper.ID, changeID string) (mapper.Change, error)
}

// Reports takes what people say was not their doing: it stops payments and opens a case.
type Reports interface {
	Report(ctx context.Context, by mapper.Actor, item mapper.Item) (mapper.Result, error)
}

// Directory finds the banks, branches and wallet providers that can be chosen. An error that is [mapper.ErrNotFound]
// says that there is no such active one.
type Directory interface {
	Providers(ctx context.Context, kind mapper.Kind) ([]mapper.DFSP, error)
	Provider(ctx context.Context, code string) (mapper.DFSP, error)
	Branch(ctx context.Context, dfsp, code string) (mapper.Branch, error)
	Search(ctx context.Context, search mapper.Search) (mapper.Found, error)
}

// Strategies makes financial addresses, by the strategy of their provider, and takes them apart.
type Strategies interface {
	Of(ctx context.Context, provider mapper.DFSP) (mapper.Strategy, error)
	Construct(ctx context.Context, provider mapper.DFSP, attributes map[string]string) (string, error)
	Deconstruct(ctx context.Context, fa string) (mapper.Account, error)
}

// Partners tells a partner's name.
type Partners interface {
	Get(ctx context.Context, referenceID string) (keymgr.Partner, error)
}

// Routes adds the pages to a router whose requests are within [web.Sessions.Protect] and [web.Sessions.Localize].
func (p *Portal) Routes(r gin.IRouter) {
	r.GET("/", p.page(p.home))
	r.POST("/language", p.page(p.chooseLanguage))

	own := r.Group("", p.Login.RequireBeneficiary())
	fresh := func(formPath string) gin.HandlerFunc { return p.Login.RequireFresh(web.FreshAge, formPath) }
	own.GET(accountPath, p.page(p.showAccount))
	own.GET(historyPath, p.page(p.showHistory))
	own.GET(notMePath, p.requireFreshHere, p.page(p.askNotMe))
	own.POST(notMePath, p.requireFreshHere, p.page(p.notMe))
	own.GET(casePath, p.page(p.showCase))
	own.GET(lookupsPath, p.page(p.showLookups))
	own.GET("/directory/search", p.page(p.searchDirectory))

	own.GET(kindPath, fresh(kindPath), p.page(p.askKind))
	own.POST(kindPath, p.page(p.chooseKind))
	own.GET(bankPath, p.page(p.askBranch))
	own.POST(bankPath, p.page(p.chooseBranch))
	own.GET(bankPath+detailsStep, p.page(p.askDetails(mapper.Bank)))
	own.POST(bankPath+detailsStep, p.page(p.takeDetails(mapper.Bank)))
	for kind, path := range walletPaths {
		own.GET(path, p.page(p.askWallet(kind)))
		own.POST(path, p.page(p.chooseWallet(kind)))
		own.GET(path+detailsStep, p.page(p.askDetails(kind)))
		own.POST(path+detailsStep, p.page(p.takeDetails(kind)))
	}
	own.GET(checkPath, p.page(p.check))
	own.POST(accountPath, fresh(checkPath), p.page(p.confirm))
	own.GET(donePath, p.page(p.done))

	own.GET(keepPath, p.page(p.askKeep))
	own.POST(keepPath, p.page(p.keep)) // stopping a change is easy: it needs no fresh login
	own.GET(removePath, p.page(p.askRemove))
	own.POST(removePath, fresh(removePath), p.page(p.remove))
}

// page makes a gin handler of ours: what it returns as an error becomes a page.
func (p *Portal) page(handle func(c *gin.Context) error) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := handle(c); err != nil {
			p.fail(c, err)
		}
	}
}

// frame fills what all pages share. It takes the flash message, so it belongs to a page that is about to be shown.
func (p *Portal) frame(r *http.Request, section templates.Section, title string) templates.Page {
	page := p.Login.frame(r, title)
	page.Section, page.Staff, page.MayLook = section, false, false
	page.Brand = p.Login.brandOf(r.Context(), false)
	if _, ok := p.person(r.Context()); !ok { // staff are nobody here
		page.SignedIn, page.Session = false, nil
	}
	return page
}

// changeSteps is how many questions a change has: the kind, the bank or provider, the number, and the last look.
const changeSteps = 4

// stepFrame is the frame of one of the questions of a change, which says how far the person has come.
func (p *Portal) stepFrame(r *http.Request, step int, title string) templates.Page {
	page := p.frame(r, templates.Account, title)
	page.Step = &templates.Step{
		Number: strconv.Itoa(step), Of: strconv.Itoa(changeSteps),
		Text: i18n.T(r.Context(), "action.step", "step", step, "steps", changeSteps),
	}
	return page
}

// person is the signed-in beneficiary. Staff are nobody here.
func (p *Portal) person(ctx context.Context) (web.User, bool) {
	user, ok := p.Sessions.User(ctx)
	return user, ok && user.Audience == web.Beneficiary && user.ID != ""
}

// titled marks the title of a page whose form has to be corrected.
func titled(ctx context.Context, title, problem string) string {
	if problem == "" {
		return title
	}
	return i18n.T(ctx, "error.title", "title", title)
}
