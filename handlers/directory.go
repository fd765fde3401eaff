package handlers

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

const (
	searchLimit  = 20  // branches shown at once
	searchLength = 100 // characters of a search that count
)

// searchDirectory finds branches while the person types: a fragment for htmx, the whole page for anyone else.
func (p *Portal) searchDirectory(c *gin.Context) error {
	view, err := p.bankView(c, c.Query("q"), "")
	if err != nil {
		return err
	}
	if web.IsFragment(c) {
		web.Render(c, http.StatusOK, templates.BranchList(view.Results))
	} else {
		web.Render(c, http.StatusOK, templates.BankPage(view))
	}
	return nil
}

func (p *Portal) bankView(c *gin.Context, query, problem string) (templates.BankView, error) {
	ctx := c.Request.Context()
	query = strings.TrimSpace(query)
	if letters := []rune(query); len(letters) > searchLength {
		query = string(letters[:searchLength])
	}
	view := templates.BankView{
		Page:  p.frame(c.Request, templates.Account, titled(ctx, i18n.T(ctx, "bank.title"), problem)),
		Query: query, Problem: problem,
	}
	if query == "" {
		return view, nil
	}
	branches, err := p.Directory.SearchBranches(ctx, query, searchLimit+1)
	if err != nil {
		return view, err
	}
	view.Results = branchResults(ctx, branches)
	view.Results.FormToken = view.FormToken
	return view, nil
}

func branchResults(ctx context.Context, branches []mapper.Branch) templates.BranchResults {
	if len(branches) == 0 {
		return templates.BranchResults{Heading: i18n.T(ctx, "bank.none"), Advice: i18n.T(ctx, "bank.none_advice")}
	}
	results := templates.BranchResults{
		Heading: i18n.T(ctx, "bank.found", "count", len(branches), "number", i18n.Number(ctx, len(branches))),
	}
	if len(branches) > searchLimit {
		branches = branches[:searchLimit]
		results.Heading = i18n.T(ctx, "bank.found_many", "number", i18n.Number(ctx, searchLimit))
		results.Advice = i18n.T(ctx, "bank.narrow")
	}
	for _, b := range branches {
		results.Choices = append(results.Choices, templates.BranchChoice{
			Value: b.DFSP + ":" + b.Code, Bank: b.DFSPName, Branch: b.Name,
			Place: i18n.T(ctx, "bank.place", "town", b.Town, "code", b.Code),
		})
	}
	return results
}
