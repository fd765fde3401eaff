package handlers

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

func strategyPath(name string, steps ...string) string { return pathTo(strategiesPath, name, steps...) }

// strategy is the one that the address names, in use or not.
func (a *Admin) strategy(c *gin.Context) (mapper.Strategy, error) {
	s, err := a.Editor.Strategy(c.Request.Context(), c.Param("strategy"))
	return s, directoryFailure(err)
}

// listStrategies lists what addresses look like.
func (a *Admin) listStrategies(c *gin.Context) error {
	ctx := c.Request.Context()
	list, err := a.Editor.Strategies(ctx)
	if err != nil {
		return err
	}
	title := i18n.T(ctx, "admin.strategies.title")
	view := templates.StrategiesView{
		Page:       a.frame(c.Request, templates.AdminDirectory, title),
		Strategies: templates.Table{Caption: title, Columns: columns(ctx, "strategy", "kind", "state", "form")},
	}
	if a.mayChange(c.Request) {
		view.Actions = []templates.Action{{Label: i18n.T(ctx, "admin.strategies.new"), Href: directoryPath + "/new-strategy"}}
	}
	for _, s := range list {
		state := usedMark(ctx, s)
		view.Strategies.Rows = append(view.Strategies.Rows, []templates.Cell{
			{Text: s.Name, Href: strategyPath(s.Name)}, {Text: kindText(ctx, s.Kind)}, mark(state.Text, state.Kind), {Text: s.Construct, Code: true},
		})
	}
	web.Render(c, http.StatusOK, templates.StrategiesPage(view))
	return nil
}

func usedMark(ctx context.Context, s mapper.Strategy) templates.Mark {
	switch {
	case !s.Active:
		return templates.Mark{Text: i18n.T(ctx, "admin.strategies.unused"), Kind: templates.Neutral}
	case s.Default:
		return templates.Mark{Text: i18n.T(ctx, "admin.strategies.usual"), Kind: templates.Good}
	}
	return templates.Mark{Text: i18n.T(ctx, "admin.strategies.used"), Kind: templates.Good}
}

// showStrategy shows a strategy with its rules.
func (a *Admin) showStrategy(c *gin.Context) error {
	ctx := c.Request.Context()
	s, err := a.strategy(c)
	if err != nil {
		return err
	}
	view := templates.StrategyView{
		EntryView: templates.EntryView{
			Page: a.frame(c.Request, templates.AdminDirectory, s.Name), BackHref: strategiesPath, Name: s.Name, State: usedMark(ctx, s),
			Rows: []templates.Row{fieldRow(ctx, "kind", kindText(ctx, s.Kind)), fieldRow(ctx, "default", yesOrNo(ctx, s.Default))},
		},
		Patterns: []templates.Row{fieldRow(ctx, "construct", s.Construct), fieldRow(ctx, "deconstruct", s.Deconstruct)},
		Rules:    ruleRows(ctx, s.NumberRule), TryHref: strategyPath(s.Name, "try"),
	}
	if a.mayChange(c.Request) {
		view.Actions = toggleActions(ctx, "strategy", s.Active, func(step string) string { return strategyPath(s.Name, step) })
	}
	web.Render(c, http.StatusOK, templates.StrategyPage(view))
	return nil
}

func yesOrNo(ctx context.Context, yes bool) string {
	if yes {
		return i18n.T(ctx, "admin.directory.yes")
	}
	return i18n.T(ctx, "admin.directory.no")
}

func ruleRows(ctx context.Context, r mapper.NumberRule) []templates.Row {
	length := func(n int) string {
		if n == 0 {
			return ""
		}
		return i18n.Number(ctx, n)
	}
	return []templates.Row{
		fieldRow(ctx, "number_min", length(r.MinLength)), fieldRow(ctx, "number_max", length(r.MaxLength)), fieldRow(ctx, "number_chars", charsText(ctx, r.Chars)),
		fieldRow(ctx, "number_check", checkText(ctx, r.Check)), fieldRow(ctx, "number_country", r.Country), fieldRow(ctx, "number_groups", r.Groups),
		fieldRow(ctx, "number_example", r.Example),
	}
}

func charsText(ctx context.Context, chars string) string {
	if chars == "" {
		chars = "any"
	}
	return i18n.T(ctx, "admin.strategies.chars."+chars)
}

func checkText(ctx context.Context, check string) string {
	if check == "" {
		check = "none"
	}
	return i18n.T(ctx, "admin.strategies.check."+check)
}

// strategyForm is what was sent, or what a strategy is like.
type strategyForm struct {
	mapper.Strategy
	min, max string
	seen     string
	wrong    entryProblem
}

func (a *Admin) askNewStrategy(c *gin.Context) error {
	a.renderStrategyForm(c, http.StatusOK, strategyForm{Strategy: mapper.Strategy{Kind: mapper.Bank}})
	return nil
}

func (a *Admin) askStrategy(c *gin.Context) error {
	s, err := a.strategy(c)
	if err != nil {
		return err
	}
	form := strategyForm{Strategy: s, seen: s.State()}
	form.min, form.max = lengthText(s.MinLength), lengthText(s.MaxLength)
	a.renderStrategyForm(c, http.StatusOK, form)
	return nil
}

func lengthText(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

func (a *Admin) addStrategy(c *gin.Context) error {
	form := readStrategy(c)
	form.Name, form.Kind, form.Active = strings.TrimSpace(c.PostForm("name")), mapper.Kind(c.PostForm("kind")), true
	return a.storeStrategy(c, form)
}

func (a *Admin) saveStrategy(c *gin.Context) error {
	s, err := a.strategy(c)
	if err != nil {
		return err
	}
	form := readStrategy(c)
	form.Name, form.Kind, form.Active, form.seen = s.Name, s.Kind, s.Active, c.PostForm("seen")
	return a.storeStrategy(c, form)
}

func readStrategy(c *gin.Context) strategyForm {
	text := func(name string) string { return strings.TrimSpace(c.PostForm(name)) }
	form := strategyForm{min: text("number_min"), max: text("number_max")}
	form.Construct, form.Deconstruct, form.Default = text("construct"), text("deconstruct"), c.PostForm("default") == "yes"
	form.NumberRule = mapper.NumberRule{
		MinLength: lengthOf(form.min), MaxLength: lengthOf(form.max), Chars: text("number_chars"), Check: text("number_check"),
		Country: strings.ToUpper(text("number_country")), Groups: text("number_groups"), Example: text("number_example"),
	}
	return form
}

// lengthOf is a number of characters; what is none is one that no rule may have.
func lengthOf(text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

func (a *Admin) storeStrategy(c *gin.Context, form strategyForm) error {
	ctx := c.Request.Context()
	err := a.Editor.SaveStrategy(ctx, a.by(ctx), form.seen, form.Strategy)
	var wrong bool
	if form.wrong, wrong = wrongEntry(ctx, err); wrong {
		a.renderStrategyForm(c, http.StatusUnprocessableEntity, form)
		return nil
	}
	if err != nil {
		return directoryFailure(err)
	}
	a.Sessions.Flash(ctx, "admin.flash.saved")
	web.Redirect(c, strategyPath(form.Name))
	return nil
}

func (a *Admin) renderStrategyForm(c *gin.Context, status int, form strategyForm) {
	ctx := c.Request.Context()
	hint := func(name string) string { return i18n.T(ctx, "admin.strategies.hint."+name) }
	view := templates.StrategyFormView{
		EntryFormView: templates.EntryFormView{
			BackHref: strategiesPath, Heading: i18n.T(ctx, "admin.strategies.new"), Action: directoryPath + "/new-strategy",
			Problems: form.wrong.list(), Submit: i18n.T(ctx, "admin.directory.save"), Seen: form.seen,
		},
		Construct: form.wrong.code(ctx, "construct", form.Construct, hint("construct")), Deconstruct: form.wrong.code(ctx, "deconstruct", form.Deconstruct, hint("deconstruct")),
		Default: templates.Checks{
			Name: "default", Label: i18n.T(ctx, "admin.directory.field.default"), Hint: hint("default"),
			Options: []templates.Option{{Value: "yes", Label: i18n.T(ctx, "admin.strategies.default_yes"), Checked: form.Default}},
		},
		Chars: selectOf(ctx, "number_chars", form.Chars, []string{"", mapper.Digits}, charsText),
		Check: selectOf(ctx, "number_check", form.Check, checksFor(form), checkText),
		Rules: []templates.Field{
			form.wrong.code(ctx, "number_min", form.min, hint("number_min")), form.wrong.code(ctx, "number_max", form.max, hint("number_max")),
			form.wrong.code(ctx, "number_country", form.Country, hint("number_country")), form.wrong.code(ctx, "number_groups", form.Groups, hint("number_groups")),
			form.wrong.code(ctx, "number_example", form.Example, hint("number_example")),
		},
	}
	view.Rules[0].InputMode, view.Rules[1].InputMode = "numeric", "numeric"
	if form.seen == "" {
		view.Name = form.wrong.input(ctx, "name", form.Name, hint("name"))
		view.Kind = kindChecks(ctx, form.Kind, form.wrong)
	} else {
		view.BackHref, view.Action = strategyPath(form.Name), strategyPath(form.Name, "edit")
		view.Heading = i18n.T(ctx, "admin.directory.edit_title", "name", form.Name)
		view.Rows = []templates.Row{fieldRow(ctx, "kind", kindText(ctx, form.Kind))}
	}
	view.Page = a.frame(c.Request, templates.AdminDirectory, titled(ctx, view.Heading, form.wrong.text))
	web.Render(c, status, templates.StrategyFormPage(view))
}

// checksFor are the checks to choose from. On the page of a new strategy its kind is chosen as well: then all of them.
func checksFor(form strategyForm) []string {
	if form.seen != "" {
		return mapper.NumberChecks(form.Kind)
	}
	return append(mapper.NumberChecks(mapper.Bank), mapper.CheckMobile)
}

func selectOf(ctx context.Context, name, chosen string, values []string, text func(context.Context, string) string) templates.Select {
	s := templates.Select{Name: name, Label: i18n.T(ctx, "admin.directory.field."+name)}
	for _, value := range values {
		s.Options = append(s.Options, templates.Option{Value: value, Label: text(ctx, value), Checked: value == chosen})
	}
	return s
}

// askToggleStrategy shows what putting a strategy out of use, or into use again, would touch.
func (a *Admin) askToggleStrategy(open bool) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		ctx := c.Request.Context()
		s, err := a.strategy(c)
		if err != nil {
			return err
		}
		effect, err := a.Editor.EffectOnStrategy(ctx, s)
		if err != nil {
			return err
		}
		rows := []templates.Row{fieldRow(ctx, "kind", kindText(ctx, s.Kind)), effectRow(ctx, "providers", i18n.Number(ctx, effect.Providers))}
		links := linksRow(ctx, effect)
		links.Key = i18n.T(ctx, "admin.effect.links_of_kind")
		t := toggle{what: "strategy", name: s.Name, open: open, state: s.State(), rows: append(rows, links), back: strategyPath(s.Name)}
		if effect.LastOne && !open {
			t.more = []string{i18n.T(ctx, "admin.close.strategy.last")}
		}
		a.renderToggle(c, t)
		return nil
	}
}

// toggleStrategy puts a strategy out of use, or into use again.
func (a *Admin) toggleStrategy(open bool) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		ctx := c.Request.Context()
		s, err := a.strategy(c)
		if err != nil {
			return err
		}
		if s.Active == open {
			return a.toggled(c, nil, open, strategyPath(s.Name))
		}
		s.Active = open
		return a.toggled(c, a.Editor.SaveStrategy(ctx, a.by(ctx), c.PostForm("seen"), s), open, strategyPath(s.Name))
	}
}
