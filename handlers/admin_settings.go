package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// settingsForm is what was sent, or what a partner has.
type settingsForm struct {
	keymgr.Settings
	limited bool   // to some banks and wallet providers
	seen    string // the partner's ChangedAt
	limits  limitsForm

	codes string // of further banks and wallet providers, as they were typed

	wrongName, wrongPermissions, wrongScope, wrongCodes, wrongCallback string
}

// listedProviders is how many banks and wallet providers the page offers one by one. Of a larger directory it shows those
// that are chosen, and takes the codes of others.
const listedProviders = 25

func (f settingsForm) problems() []templates.Problem {
	var list []templates.Problem
	for _, p := range []templates.Problem{
		{Target: "name", Text: f.wrongName}, {Target: "permissions-1", Text: f.wrongPermissions}, {Target: "scope-1", Text: f.wrongScope},
		{Target: "fa_provider_codes", Text: f.wrongCodes},
		{Target: "callback_url", Text: f.wrongCallback},
	} {
		if p.Text != "" {
			list = append(list, p)
		}
	}
	return append(list, f.limits.problems()...)
}

// askSettings asks what a partner may do.
func (a *Admin) askSettings(c *gin.Context) error {
	p, err := a.partner(c)
	if err != nil {
		return err
	}
	form := settingsForm{
		Settings: p.Settings(), limited: len(p.FAProviders) > 0, seen: strconv.FormatInt(p.ChangedAt.UnixMilli(), 10), limits: formOfLimits(p.Limits),
	}
	return a.renderSettings(c, http.StatusOK, p, form)
}

// saveSettings changes what a partner may do.
func (a *Admin) saveSettings(c *gin.Context) error {
	ctx := c.Request.Context()
	p, err := a.partner(c)
	if err != nil {
		return err
	}
	form := readSettings(c)
	if err := a.addCodes(ctx, &form); err != nil {
		return err
	}
	form.check(ctx)
	if len(form.problems()) == 0 {
		seen, _ := strconv.ParseInt(form.seen, 10, 64)
		err := a.Register.Configure(ctx, a.by(ctx), p.ReferenceID, form.Settings, time.UnixMilli(seen))
		if errors.Is(err, keymgr.ErrNeedsApproval) {
			if err = a.prepareSettings(ctx, p, form); err == nil {
				return a.prepared(c, p.ReferenceID)
			}
		}
		switch {
		case err == nil:
			return a.goOn(c, p.ReferenceID, "admin.flash.saved")
		case errors.Is(err, keymgr.ErrStale):
			return adminStale
		case !errors.Is(err, keymgr.ErrInvalid):
			return err
		case strings.Contains(err.Error(), "callback"):
			form.wrongCallback = i18n.T(ctx, "admin.settings.callback_invalid")
		case strings.Contains(err.Error(), "name"):
			form.wrongName = i18n.T(ctx, "admin.new.name_invalid")
		default:
			form.wrongPermissions = i18n.T(ctx, "admin.settings.permissions_invalid")
		}
	}
	return a.renderSettings(c, http.StatusUnprocessableEntity, p, form)
}

// prepareSettings keeps new settings for another person to approve, unless they are in place of others than were shown.
func (a *Admin) prepareSettings(ctx context.Context, p keymgr.Partner, form settingsForm) error {
	if form.seen != strconv.FormatInt(p.ChangedAt.UnixMilli(), 10) {
		return keymgr.ErrStale
	}
	return a.prepare(ctx, keymgr.Change{Reference: p.ReferenceID, Kind: keymgr.ChangeConfigure, Settings: form.Settings})
}

func readSettings(c *gin.Context) settingsForm {
	form := settingsForm{seen: c.PostForm("seen"), limited: c.PostForm("scope") == "some"}
	form.Name, form.CallbackURL = strings.TrimSpace(c.PostForm("name")), strings.TrimSpace(c.PostForm("callback_url"))
	for _, permission := range c.PostFormArray("permissions") {
		form.Permissions = append(form.Permissions, keymgr.Permission(permission))
	}
	form.FAProviders, form.codes = c.PostFormArray("fa_providers"), strings.TrimSpace(c.PostForm("fa_provider_codes"))
	form.limits, form.Limits = readLimits(c)
	return form
}

// addCodes adds the banks and wallet providers whose codes were typed. One that the directory does not have is a slip of the
// keyboard.
func (a *Admin) addCodes(ctx context.Context, f *settingsForm) error {
	codes := strings.FieldsFunc(strings.ToUpper(f.codes), func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' })
	if len(codes) == 0 || !f.limited {
		return nil
	}
	all, err := a.allProviders(ctx)
	if err != nil {
		return err
	}
	for _, code := range codes {
		if !slices.ContainsFunc(all, func(p mapper.DFSP) bool { return p.Code == code }) {
			f.wrongCodes = i18n.T(ctx, "admin.settings.codes_unknown", "code", code)
			return nil
		}
		if !slices.Contains(f.FAProviders, code) {
			f.FAProviders = append(f.FAProviders, code)
		}
	}
	f.codes = ""
	return nil
}

// check finds what the register could not know: no provider at all would mean any.
func (f *settingsForm) check(ctx context.Context) {
	if f.Name == "" {
		f.wrongName = i18n.T(ctx, "admin.new.name_missing")
	}
	if f.limited && len(f.FAProviders) == 0 && f.wrongCodes == "" {
		f.wrongScope = i18n.T(ctx, "admin.settings.providers_missing")
	}
	if !f.limited {
		f.FAProviders = nil
	}
}

func (a *Admin) renderSettings(c *gin.Context, status int, p keymgr.Partner, form settingsForm) error {
	ctx := c.Request.Context()
	all, err := a.allProviders(ctx)
	if err != nil {
		return err
	}
	problem := ""
	if list := form.problems(); len(list) > 0 {
		problem = list[0].Text
	}
	heading := i18n.T(ctx, "admin.settings.title", "partner", p.Name)
	providers, codes := providerOptions(ctx, all, form), templates.Field{}
	if len(all) > listedProviders {
		codes = templates.Field{
			Name: "fa_provider_codes", Type: "text", Label: i18n.T(ctx, "admin.settings.codes"), Hint: i18n.T(ctx, "admin.settings.codes_hint"),
			Value: form.codes, Error: form.wrongCodes, Direction: "ltr", Autocomplete: "off",
		}
	}
	view := templates.SettingsView{
		Page:     a.frame(c.Request, templates.AdminPartners, titled(ctx, heading, problem)),
		BackHref: partnerPath(p.ReferenceID), Steps: a.steps(ctx, p, "settings"), Heading: heading,
		Action: partnerPath(p.ReferenceID, "settings"), Seen: form.seen, Problems: form.problems(),
		Name: templates.Field{
			Name: "name", Type: "text", Label: i18n.T(ctx, "admin.new.name"), Hint: i18n.T(ctx, "admin.new.name_hint"), Value: form.Name,
			Error: form.wrongName, Autocomplete: "off",
		},
		Permissions: permissionOptions(ctx, form),
		Scope: templates.Checks{
			Name: "scope", Label: i18n.T(ctx, "admin.settings.scope"), Hint: i18n.T(ctx, "admin.settings.scope_hint"), One: true, Error: form.wrongScope,
			Options: []templates.Option{
				{Value: "any", Label: i18n.T(ctx, "admin.settings.any_provider"), Checked: !form.limited},
				{Value: "some", Label: i18n.T(ctx, "admin.settings.some_providers"), Checked: form.limited},
			},
		},
		ProvidersOpen: form.limited,
		Providers:     templates.Checks{Name: "fa_providers", Label: i18n.T(ctx, "admin.settings.providers"), Options: providers},
		Codes:         codes,
		Callback: templates.Field{
			Name: "callback_url", Type: "url", Label: i18n.T(ctx, "admin.settings.callback"), Hint: i18n.T(ctx, "admin.settings.callback_hint"),
			Value: form.CallbackURL, Error: form.wrongCallback, Direction: "ltr", Autocomplete: "off", InputMode: "url",
		},
		LimitsLabel: i18n.T(ctx, "admin.settings.limits"), LimitsHint: i18n.T(ctx, "admin.settings.limits_hint"),
		Limits: form.limits.fields(ctx, a.Register.GeneralLimits()),
		Submit: i18n.T(ctx, "admin.settings.save"),
	}
	if p.Status == keymgr.Draft {
		view.Submit = i18n.T(ctx, "action.continue")
	}
	if web.IsFragment(c) {
		web.Render(c, status, templates.SettingsFragment(view))
	} else {
		web.Render(c, status, templates.SettingsPage(view))
	}
	return nil
}

func permissionOptions(ctx context.Context, form settingsForm) templates.Checks {
	checks := templates.Checks{Name: "permissions", Label: i18n.T(ctx, "admin.settings.permissions"), Error: form.wrongPermissions}
	for _, permission := range keymgr.AllPermissions() {
		checks.Options = append(checks.Options, templates.Option{
			Value: string(permission), Label: i18n.T(ctx, "admin.permission."+string(permission)),
			Hint: i18n.T(ctx, "admin.permission_hint."+string(permission)), Checked: slices.Contains(form.Permissions, permission),
		})
	}
	return checks
}

// allProviders are the banks and wallet providers of the directory.
func (a *Admin) allProviders(ctx context.Context) (all []mapper.DFSP, _ error) {
	for _, kind := range []mapper.Kind{mapper.Bank, mapper.MobileWallet, mapper.EmailWallet} {
		providers, err := a.Directory.Providers(ctx, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, providers...)
	}
	return all, nil
}

// providerOptions are the banks and wallet providers to choose among, and the codes chosen that the directory does not have.
func providerOptions(ctx context.Context, all []mapper.DFSP, form settingsForm) (options []templates.Option) {
	offered := map[string]bool{}
	add := func(code, label, hint string, chosen bool) {
		offered[code] = true
		options = append(options, templates.Option{Value: code, Label: label, Hint: hint, Checked: chosen})
	}
	for _, p := range all {
		if chosen := slices.Contains(form.FAProviders, p.Code); !offered[p.Code] && (chosen || len(all) <= listedProviders) {
			add(p.Code, p.Name, p.Code, chosen)
		}
	}
	for _, code := range form.FAProviders {
		if !offered[code] {
			add(code, code, i18n.T(ctx, "admin.settings.not_in_directory"), true)
		}
	}
	return options
}
