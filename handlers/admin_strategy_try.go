package handlers

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// askTryStrategy asks for an address, or for what one is made of.
func (a *Admin) askTryStrategy(c *gin.Context) error {
	s, err := a.strategy(c)
	if err != nil {
		return err
	}
	a.renderTryStrategy(c, http.StatusOK, a.tryStrategyView(c.Request.Context(), s, nil))
	return nil
}

// tryStrategy takes an address apart, or makes one. Nothing of it is stored or logged: it may be somebody's.
func (a *Admin) tryStrategy(c *gin.Context) error {
	ctx := c.Request.Context()
	s, err := a.strategy(c)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, name := range s.Attributes() {
		values[name] = strings.TrimSpace(c.PostForm(attributeField(name)))
	}
	view := a.tryStrategyView(ctx, s, values)
	if c.PostForm("what") == "make" {
		a.tryToMake(ctx, s, values, &view)
	} else {
		tryToTakeApart(ctx, s, strings.TrimSpace(c.PostForm("address")), &view)
	}
	status := http.StatusOK
	if len(view.Problems) > 0 {
		status = http.StatusUnprocessableEntity
	}
	a.renderTryStrategy(c, status, view)
	return nil
}

func (a *Admin) tryToMake(ctx context.Context, s mapper.Strategy, values map[string]string, view *templates.StrategyTryView) {
	made, err := s.Make(values)
	if err != nil {
		at := slices.IndexFunc(view.Values, func(f templates.Field) bool { return f.Value == "" })
		view.Problems = []templates.Problem{{Target: view.Values[max(at, 0)].Name, Text: i18n.T(ctx, "admin.strategies.not_made")}}
		return
	}
	view.Made, view.Again = made.FA, attributeRows(made)
}

func tryToTakeApart(ctx context.Context, s mapper.Strategy, address string, view *templates.StrategyTryView) {
	view.Address.Value = address
	apart, ok := s.TakeApart(address)
	if !ok {
		view.Address.Error = i18n.T(ctx, "admin.strategies.not_apart")
		view.Problems = view.Address.Problems()
		return
	}
	view.Apart = attributeRows(apart)
}

func attributeRows(t mapper.Trial) []templates.Row {
	rows := make([]templates.Row, len(t.Attributes))
	for i, attribute := range t.Attributes {
		rows[i] = templates.Row{Key: attribute.Name, Value: attribute.Value}
	}
	return rows
}

func attributeField(name string) string { return "value_" + name }

func (a *Admin) tryStrategyView(ctx context.Context, s mapper.Strategy, values map[string]string) templates.StrategyTryView {
	view := templates.StrategyTryView{
		BackHref: strategyPath(s.Name), Heading: i18n.T(ctx, "admin.strategies.try_title", "name", s.Name), Action: strategyPath(s.Name, "try"),
		Address: templates.Field{Name: "address", Label: i18n.T(ctx, "admin.strategies.address"), Hint: s.Construct},
	}
	for _, name := range s.Attributes() {
		view.Values = append(view.Values, templates.Field{
			Name: attributeField(name), Type: "text", Label: name, Value: values[name], Direction: "ltr", Autocomplete: "off",
		})
	}
	return view
}

func (a *Admin) renderTryStrategy(c *gin.Context, status int, view templates.StrategyTryView) {
	problem := ""
	if len(view.Problems) > 0 {
		problem = view.Problems[0].Text
	}
	view.Page = a.frame(c.Request, templates.AdminDirectory, titled(c.Request.Context(), view.Heading, problem))
	web.Render(c, status, templates.StrategyTryPage(view))
}
