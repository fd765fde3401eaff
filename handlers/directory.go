package handlers

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

const (
	branchesPerPage = 10
	lastPage        = 50  // who needs more should type more
	searchLength    = 100 // characters of a search that count
	linksBeside     = 6   // banks or towns offered above a list of branches
)

// branchSearch is what a person typed and chose to find their branch. It names nobody, so it is part of the address.
type branchSearch struct {
	text string
	bank mapper.DFSP // zero: not chosen yet
	town string
	page int // from 1
}

// readSearch takes a search from the address. A bank that is not in the directory counts as not chosen.
func (p *Portal) readSearch(c *gin.Context) (branchSearch, error) {
	s := branchSearch{text: trimmed(c.Query("q")), town: trimmed(c.Query("town")), page: 1}
	if page, err := strconv.Atoi(c.Query("page")); err == nil {
		s.page = min(max(page, 1), lastPage)
	}
	code := c.Query("bank")
	if code == "" || len(code) > searchLength {
		s.town = ""
		return s, nil
	}
	bank, err := p.Directory.Provider(c.Request.Context(), code)
	if errors.Is(err, mapper.ErrNotFound) || err == nil && bank.Kind != mapper.Bank {
		return branchSearch{text: s.text, page: 1}, nil
	}
	s.bank = bank
	return s, err
}

func trimmed(text string) string {
	text = strings.TrimSpace(text)
	if letters := []rune(text); len(letters) > searchLength {
		text = string(letters[:searchLength])
	}
	return text
}

// path is the address of the search as a page.
func (s branchSearch) path() string {
	query := url.Values{}
	for name, value := range map[string]string{"q": s.text, "bank": s.bank.Code, "town": s.town} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if s.page > 1 {
		query.Set("page", strconv.Itoa(s.page))
	}
	if len(query) == 0 {
		return bankPath
	}
	return bankPath + "?" + query.Encode()
}

// searchDirectory finds branches while the person types: a fragment for htmx, the whole page for anyone else.
func (p *Portal) searchDirectory(c *gin.Context) error {
	s, err := p.readSearch(c)
	if err != nil {
		return err
	}
	view, err := p.bankView(c, s, "")
	if err != nil {
		return err
	}
	if web.IsFragment(c) {
		c.Header("HX-Replace-Url", s.path()) // so that the Back button leads to what was found
		web.Render(c, http.StatusOK, templates.BranchList(view.Results))
	} else {
		web.Render(c, http.StatusOK, templates.BankPage(view))
	}
	return nil
}

func (p *Portal) bankView(c *gin.Context, s branchSearch, problem string) (templates.BankView, error) {
	ctx := c.Request.Context()
	view := templates.BankView{
		Page:  p.stepFrame(c.Request, 2, titled(ctx, i18n.T(ctx, "bank.title"), problem)),
		Query: s.text, Problem: problem, Hint: i18n.T(ctx, "bank.hint"), BankCode: s.bank.Code, Town: s.town,
	}
	if s.bank.Code != "" {
		view.Hint = i18n.T(ctx, "bank.hint_in")
		view.Chosen = append(view.Chosen, templates.Chosen{
			Key: i18n.T(ctx, "bank.chosen"), Value: s.bank.Name, ChangeHref: bankPath, ChangeWhat: i18n.T(ctx, "check.change_bank"),
		})
	}
	if s.town != "" {
		view.Chosen = append(view.Chosen, templates.Chosen{
			Key: i18n.T(ctx, "bank.town"), Value: s.town, ChangeHref: branchSearch{text: s.text, bank: s.bank}.path(),
			ChangeWhat: i18n.T(ctx, "bank.change_town"),
		})
	}
	found, err := p.Directory.Search(ctx, mapper.Search{
		Text: s.text, Bank: s.bank.Code, Town: s.town, Offset: branchesPerPage * (s.page - 1), Limit: branchesPerPage,
	})
	if err != nil {
		return view, err
	}
	view.Results = s.results(ctx, found)
	view.Results.FormToken = view.FormToken
	return view, nil
}

// results offers what was found. Where it is more than a page, the bank can be chosen first, and then the town: that takes
// less reading than a long list.
func (s branchSearch) results(ctx context.Context, found mapper.Found) templates.BranchResults {
	if found.Total == 0 && s.text != "" {
		return templates.BranchResults{
			Heading: i18n.T(ctx, "bank.none"), Advice: i18n.T(ctx, "bank.none_advice"), Announcement: i18n.T(ctx, "bank.none"), AllHref: bankPath,
		}
	}
	results := templates.BranchResults{Narrow: s.narrow(ctx, found)}
	total := i18n.T(ctx, "bank.found", "count", found.Total, "number", i18n.Number(ctx, found.Total))
	if s.text != "" {
		results.Announcement = total
	}
	if len(results.Narrow.Links) > 0 && (s.text == "" || found.NamesBank && s.bank.Code == "") {
		results.Advice = i18n.T(ctx, "bank.not_here") // only the largest are offered
		return results                                // nothing says yet which of so many branches is meant
	}
	results.Narrow.Links = results.Narrow.Links[:min(len(results.Narrow.Links), linksBeside)]
	results.Heading = total
	if !found.Complete {
		results.Heading, results.Announcement = i18n.T(ctx, "bank.nearest"), i18n.T(ctx, "bank.nearest")
	}
	for _, b := range found.Branches {
		choice := templates.BranchChoice{
			Value: b.DFSP + ":" + b.Code, Name: b.DFSPName, Branch: b.Name, Place: i18n.List(ctx, places(b)),
			Code: i18n.T(ctx, "bank.code", "code", b.Code), Address: b.Address,
		}
		if s.bank.Code != "" { // it stands above the list
			choice.Name, choice.Branch = b.Name, ""
		}
		results.Choices = append(results.Choices, choice)
	}
	results.Pages = s.pages(ctx, found.Total)
	return results
}

// places are where a branch is, as far as the directory says.
func places(b mapper.Branch) []string {
	var list []string
	for _, place := range []string{b.Town, b.Area} {
		if place != "" {
			list = append(list, place)
		}
	}
	return list
}

func (s branchSearch) narrow(ctx context.Context, found mapper.Found) templates.Narrow {
	var narrow templates.Narrow
	link := func(name string, count int, to branchSearch) {
		narrow.Links = append(narrow.Links, templates.NarrowLink{
			Name: name, Href: to.path() + "#results", Count: i18n.T(ctx, "bank.count", "count", count, "number", i18n.Number(ctx, count)),
		})
	}
	switch {
	case found.Total <= branchesPerPage || s.page > 1 || s.town != "":
	case s.bank.Code == "" && (len(found.Banks) > 1 || found.NamesBank):
		narrow.Heading = i18n.T(ctx, "bank.choose_bank")
		for _, b := range found.Banks {
			to := branchSearch{text: s.text, bank: mapper.DFSP{Code: b.Code}}
			if found.NamesBank {
				to.text = "" // it is said by the choice
			}
			link(b.Name, b.Branches, to)
		}
	case s.bank.Code != "" && len(found.Towns) > 1:
		narrow.Heading = i18n.T(ctx, "bank.choose_town")
		for _, town := range found.Towns {
			link(town.Name, town.Branches, branchSearch{text: s.text, bank: s.bank, town: town.Name})
		}
	}
	return narrow
}

func (s branchSearch) pages(ctx context.Context, total int) templates.ResultPages {
	last := min((total+branchesPerPage-1)/branchesPerPage, lastPage)
	if last <= 1 {
		return templates.ResultPages{}
	}
	pages := templates.ResultPages{Position: i18n.T(ctx, "bank.showing",
		"from", i18n.Number(ctx, branchesPerPage*(s.page-1)+1), "to", i18n.Number(ctx, min(branchesPerPage*s.page, total)), "total", i18n.Number(ctx, total))}
	if to := s; s.page > 1 {
		to.page--
		pages.PreviousHref = to.path() + "#results"
	}
	if to := s; s.page < last {
		to.page++
		pages.NextHref = to.path() + "#results"
	}
	return pages
}
