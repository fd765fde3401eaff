package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// walletPaths are where the provider of a wallet is chosen.
var walletPaths = map[mapper.Kind]string{
	mapper.MobileWallet: "/account/change/wallet",
	mapper.EmailWallet:  "/account/change/email",
}

// The steps of a change and of a removal. Those of the wallets are in walletPaths.
const (
	kindPath    = "/account/change"
	bankPath    = "/account/change/bank"
	detailsStep = "/details" // after the path of a choice
	checkPath   = "/account/check"
	donePath    = "/account/done"
	removePath  = "/account/remove"
	keepPath    = "/account/keep"
)

// choicePath is where the bank or provider of a kind is chosen; its details follow under it.
func choicePath(kind mapper.Kind) string {
	if path, ok := walletPaths[kind]; ok {
		return path
	}
	return bankPath
}

// askKind begins a change: which kind of account shall it be?
func (p *Portal) askKind(c *gin.Context) error {
	ctx := c.Request.Context()
	draft, _ := p.Sessions.Draft(ctx)
	view, err := p.kindView(c, mapper.Kind(draft.Kind), "")
	if err != nil {
		return err
	}
	web.Render(c, http.StatusOK, templates.KindPage(view))
	return nil
}

func (p *Portal) kindView(c *gin.Context, chosen mapper.Kind, problem string) (templates.KindView, error) {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	now, err := p.current(ctx, user)
	if err != nil {
		return templates.KindView{}, err
	}
	view := templates.KindView{
		Page:     p.stepFrame(c.Request, 1, titled(ctx, i18n.T(ctx, "kind.title"), problem)),
		Changing: now.linked, Problem: problem,
	}
	if now.linked {
		if view.Current, err = p.card(ctx, now.fa, now.provider); err != nil {
			return view, err
		}
	}
	if view.Waiting, err = p.waiting(ctx, now); err != nil {
		return view, err
	}
	if view.Waiting != nil {
		view.Replaces = i18n.T(ctx, "kind.waiting", "when", p.moment(ctx, now.held.EffectiveAt))
	}
	kinds, err := p.offered(ctx)
	for _, kind := range kinds {
		view.Options = append(view.Options, templates.KindOption{
			Value: string(kind), Icon: string(kind), Checked: kind == chosen,
			Label: i18n.T(ctx, "account_kind."+string(kind)), Hint: i18n.T(ctx, "kind.hint."+string(kind)),
		})
	}
	return view, err
}

// offered are the kinds of account that the directory has any provider of.
func (p *Portal) offered(ctx context.Context) ([]mapper.Kind, error) {
	var kinds []mapper.Kind
	for _, kind := range []mapper.Kind{mapper.Bank, mapper.MobileWallet, mapper.EmailWallet} {
		providers, err := p.Directory.Providers(ctx, kind)
		if err != nil {
			return nil, err
		}
		if len(providers) > 0 {
			kinds = append(kinds, kind)
		}
	}
	return kinds, nil
}

// chooseKind opens the draft. It holds the state of the link from here on, which must still be the same at the end.
func (p *Portal) chooseKind(c *gin.Context) error {
	ctx := c.Request.Context()
	kinds, err := p.offered(ctx)
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if string(kind) != c.PostForm("kind") {
			continue
		}
		user, _ := p.person(ctx)
		now, err := p.current(ctx, user)
		if err != nil {
			return err
		}
		if err := p.mayChange(ctx, user); err != nil {
			return err
		}
		draft, _ := p.Sessions.Draft(ctx)
		if draft.Kind != string(kind) {
			draft = web.Draft{Kind: string(kind)}
		}
		draft.Base, draft.Reference = now.state, rand.Text()
		p.Sessions.SetDraft(ctx, draft)
		web.Redirect(c, choicePath(kind))
		return nil
	}
	view, err := p.kindView(c, "", i18n.T(ctx, "kind.missing"))
	if err != nil {
		return err
	}
	if web.IsFragment(c) {
		web.Render(c, http.StatusUnprocessableEntity, templates.KindFragment(view))
	} else {
		web.Render(c, http.StatusUnprocessableEntity, templates.KindPage(view))
	}
	return nil
}

// draft is the change of this kind that was begun; without one the person is sent to the beginning.
func (p *Portal) draft(c *gin.Context, kind mapper.Kind) (web.Draft, bool) {
	draft, ok := p.Sessions.Draft(c.Request.Context())
	if !ok || draft.Kind != string(kind) {
		web.Redirect(c, kindPath)
		return web.Draft{}, false
	}
	return draft, true
}

// askBranch asks which bank branch. The search without scripts comes here too.
func (p *Portal) askBranch(c *gin.Context) error {
	if _, ok := p.draft(c, mapper.Bank); !ok {
		return nil
	}
	search, err := p.readSearch(c)
	if err != nil {
		return err
	}
	view, err := p.bankView(c, search, "")
	if err != nil {
		return err
	}
	web.Render(c, http.StatusOK, templates.BankPage(view))
	return nil
}

// chooseBranch takes a branch of the directory.
func (p *Portal) chooseBranch(c *gin.Context) error {
	ctx := c.Request.Context()
	draft, ok := p.draft(c, mapper.Bank)
	if !ok {
		return nil
	}
	dfsp, code, _ := strings.Cut(c.PostForm("branch"), ":")
	branch, err := p.Directory.Branch(ctx, dfsp, code)
	if errors.Is(err, mapper.ErrNotFound) {
		view, err := p.bankView(c, branchSearch{page: 1}, i18n.T(ctx, "bank.missing"))
		if err != nil {
			return err
		}
		web.Render(c, http.StatusUnprocessableEntity, templates.BankPage(view))
		return nil
	}
	if err != nil {
		return err
	}
	if draft.DFSP != branch.DFSP {
		draft.Account = ""
	}
	draft.DFSP, draft.Branch = branch.DFSP, branch.Code
	p.Sessions.SetDraft(ctx, draft)
	web.Redirect(c, bankPath+detailsStep)
	return nil
}

// askWallet asks which provider keeps the wallet.
func (p *Portal) askWallet(kind mapper.Kind) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		if _, ok := p.draft(c, kind); !ok {
			return nil
		}
		return p.showWallets(c, kind, http.StatusOK, "")
	}
}

func (p *Portal) showWallets(c *gin.Context, kind mapper.Kind, status int, problem string) error {
	ctx := c.Request.Context()
	providers, err := p.Directory.Providers(ctx, kind)
	if err != nil {
		return err
	}
	heading := i18n.T(ctx, "wallet.title."+string(kind))
	view := templates.WalletView{
		Page:    p.stepFrame(c.Request, 2, titled(ctx, heading, problem)),
		Heading: heading, Action: walletPaths[kind], Problem: problem,
	}
	for _, provider := range providers {
		view.Providers = append(view.Providers, templates.ProviderChoice{
			Code: provider.Code, Name: provider.Name, Initials: initials(provider.Name), Tone: tone(provider.Code),
		})
	}
	web.Render(c, status, templates.WalletPage(view))
	return nil
}

// initials are up to two letters that stand for a name: of its first two words, or of the parts of one such as SwiftCowrie.
func initials(name string) string {
	var list []rune
	inWord := false
	for _, r := range name {
		isLetter := unicode.IsLetter(r) || unicode.IsDigit(r)
		if isLetter && (!inWord || unicode.IsUpper(r)) && len(list) < 2 {
			list = append(list, unicode.ToUpper(r))
		}
		inWord = isLetter || inWord && (unicode.IsMark(r) || r == '\'' || r == '’')
	}
	return string(list)
}

// tone gives a provider one of the colours of the stylesheet, always the same.
func tone(code string) string {
	sum := fnv.New32a()
	sum.Write([]byte(code))
	return "tone-" + strconv.Itoa(int(sum.Sum32()%6)+1)
}

// chooseWallet takes a provider of the directory, of the kind that was chosen.
func (p *Portal) chooseWallet(kind mapper.Kind) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		ctx := c.Request.Context()
		draft, ok := p.draft(c, kind)
		if !ok {
			return nil
		}
		provider, err := p.Directory.Provider(ctx, c.PostForm("provider"))
		if errors.Is(err, mapper.ErrNotFound) || err == nil && provider.Kind != kind {
			return p.showWallets(c, kind, http.StatusUnprocessableEntity, i18n.T(ctx, "wallet.missing"))
		}
		if err != nil {
			return err
		}
		draft.DFSP, draft.Branch = provider.Code, ""
		p.Sessions.SetDraft(ctx, draft)
		web.Redirect(c, walletPaths[kind]+detailsStep)
		return nil
	}
}
