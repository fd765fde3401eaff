package handlers

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"spar/internal/audit"
	"spar/keymgr"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

const (
	refusalsShown = 25
	eventsShown   = 10
)

// partner is the one that the address names.
func (a *Admin) partner(c *gin.Context) (keymgr.Partner, error) {
	return a.Register.Get(c.Request.Context(), c.Param("ref"))
}

// showPartner shows everything about one partner.
func (a *Admin) showPartner(c *gin.Context) error {
	ctx := c.Request.Context()
	p, err := a.partner(c)
	if err != nil {
		return err
	}
	counts, err := a.Calls.CountsOf(ctx, p.ReferenceID, a.recent())
	if err != nil {
		return err
	}
	refusals, err := a.Calls.Refusals(ctx, p.ReferenceID, refusalsShown)
	if err != nil {
		return err
	}
	entries, err := a.Trail.List(ctx, audit.Filter{Partner: p.ReferenceID, Limit: eventsShown})
	if err != nil {
		return err
	}
	pending, err := a.Register.Pending(ctx, p.ReferenceID)
	if err != nil {
		return err
	}
	standing, err := a.Explainer.Standing(ctx, p.ReferenceID)
	if err != nil {
		return err
	}
	held, err := a.held(ctx, p.ReferenceID)
	if err != nil {
		return err
	}
	view := templates.PartnerView{
		Page: a.frame(c.Request, templates.AdminPartners, p.Name), Path: partnerPath(p.ReferenceID), Name: p.Name, Reference: p.ReferenceID,
		State: statusMark(ctx, p.Status), MayChange: a.mayChange(c.Request), Warning: a.warning(ctx, p),
		AddCertificate: i18n.T(ctx, "admin.certificate.add_first"),
		CallsHeading:   i18n.T(ctx, "admin.overview.calls", "days", i18n.Number(ctx, recentDays)),
		Calls:          a.callsByAction(ctx, counts), Refusals: a.refusals(ctx, refusals), Events: a.events(ctx, entries, p.ReferenceID),
		AllEvents: auditPath + "?" + url.Values{"partner": {p.ReferenceID}}.Encode(),
	}
	if len(usable(p, a.Now())) > 0 {
		view.AddCertificate = i18n.T(ctx, "admin.certificate.rotate")
	}
	view.Pending = a.pendingTable(ctx, pending, []keymgr.Partner{p})
	view.Settings = append(a.settingsRows(ctx, p, view.MayChange),
		templates.Row{Key: i18n.T(ctx, "admin.settings.since"), Value: a.when(ctx, p.CreatedAt)},
		templates.Row{Key: i18n.T(ctx, "admin.settings.changed"), Value: a.when(ctx, p.ChangedAt)})
	view.Actions = a.actions(ctx, p, view.MayChange)
	if p.Status == keymgr.Draft {
		step := nextStep(p, a.Now())
		view.NextHref, view.NextLabel = step.path(p), i18n.T(ctx, "admin.partner.continue", "step", i18n.T(ctx, "admin.step."+step.key))
	}
	for _, certificate := range slices.Backward(p.Certificates) {
		shown, err := a.certificateView(ctx, p, certificate, standing, view.MayChange)
		if err != nil {
			return err
		}
		if a.KeyManager != nil {
			a.describeHolder(ctx, &shown, p, certificate, held, view.MayChange)
		}
		view.Certificates = append(view.Certificates, shown)
	}
	web.Render(c, http.StatusOK, templates.PartnerPage(view))
	return nil
}

// warning says what will soon go wrong with a partner, or does already.
func (a *Admin) warning(ctx context.Context, p keymgr.Partner) string {
	if p.Status != keymgr.Active {
		return ""
	}
	if len(usable(p, a.Now())) == 0 {
		return i18n.T(ctx, "admin.partner.no_certificate")
	}
	if mark := expiryMark(ctx, lastEnd(p), a.Now()); mark.Mark != templates.Good {
		return i18n.T(ctx, "admin.partner.expiring", "date", i18n.Date(ctx, lastEnd(p).In(a.Location)))
	}
	return ""
}

// usable are the certificates that have neither ended nor been revoked.
func usable(p keymgr.Partner, now time.Time) []keymgr.Certificate {
	return slices.DeleteFunc(slices.Clone(p.Certificates), func(c keymgr.Certificate) bool {
		return !c.RevokedAt.IsZero() || now.After(c.End())
	})
}

func (a *Admin) actions(ctx context.Context, p keymgr.Partner, mayChange bool) []templates.Action {
	if !mayChange {
		return nil
	}
	steps := map[keymgr.Status][]string{
		keymgr.Draft: {"discard"}, keymgr.Active: {"suspend"}, keymgr.Suspended: {"activate"},
	}
	var list []templates.Action
	for _, step := range steps[p.Status] {
		list = append(list, templates.Action{Label: i18n.T(ctx, "admin.do."+step), Href: partnerPath(p.ReferenceID, step)})
	}
	return list
}

// settingsRows is everything that a partner may do, and how much of it.
func (a *Admin) settingsRows(ctx context.Context, p keymgr.Partner, mayChange bool) []templates.Row {
	row := func(key, value string) templates.Row {
		r := templates.Row{Key: i18n.T(ctx, "admin.settings."+key), Value: value}
		if mayChange {
			r.ChangeHref, r.ChangeWhat = partnerPath(p.ReferenceID, "settings"), r.Key
		}
		return r
	}
	callback := p.CallbackURL
	if callback == "" {
		callback = i18n.T(ctx, "admin.settings.no_callback")
	}
	rows := []templates.Row{
		row("permissions", permissionsText(ctx, p.Permissions)), row("providers", providersText(ctx, p.FAProviders)), row("callback", callback),
	}
	for _, limit := range a.limitRows(ctx, p.Limits) {
		if mayChange {
			limit.ChangeHref, limit.ChangeWhat = partnerPath(p.ReferenceID, "settings"), limit.Key
		}
		rows = append(rows, limit)
	}
	return rows
}

func providersText(ctx context.Context, codes []string) string {
	if len(codes) == 0 {
		return i18n.T(ctx, "admin.settings.any_provider")
	}
	return i18n.List(ctx, codes)
}

func (a *Admin) certificateView(ctx context.Context, p keymgr.Partner, c keymgr.Certificate, standing []keymgr.CertificateEvidence, mayChange bool) (templates.CertificateView, error) {
	rows, err := a.certificateRows(ctx, c)
	if err != nil {
		return templates.CertificateView{}, err
	}
	view := templates.CertificateView{
		Short: groups(c.Fingerprint)[0], Fingerprint: groups(c.Fingerprint),
		Rows: append(rows, templates.Row{Key: i18n.T(ctx, "admin.certificate.added"), Value: a.when(ctx, c.AddedAt)}),
	}
	view.State, view.Note = a.certificateState(ctx, c)
	for _, now := range standing {
		if now.Fingerprint == c.Fingerprint && !now.Usable && view.State.Kind == templates.Good {
			// Something beyond its own times and revocation: its authority, or its key.
			view.State, view.Note = templates.Mark{Text: i18n.T(ctx, "admin.certificate.state.refused"), Kind: templates.Bad}, outcomeText(ctx, string(now.Reason))
		}
	}
	if mayChange && c.RevokedAt.IsZero() {
		view.RevokeHref = partnerPath(p.ReferenceID, "certificates", c.Fingerprint, "revoke")
	}
	return view, nil
}

// certificateState says whether a certificate counts now, and until when.
func (a *Admin) certificateState(ctx context.Context, c keymgr.Certificate) (templates.Mark, string) {
	now := a.Now()
	state := func(key, kind string, at time.Time) (templates.Mark, string) {
		return templates.Mark{Text: i18n.T(ctx, "admin.certificate.state."+key), Kind: kind},
			i18n.T(ctx, "admin.certificate.note."+key, "time", a.when(ctx, at))
	}
	switch {
	case !c.RevokedAt.IsZero():
		return state("revoked", templates.Bad, c.RevokedAt)
	case now.After(c.NotAfter):
		return state("expired", templates.Neutral, c.NotAfter)
	case now.After(c.End()):
		return state("replaced", templates.Neutral, c.End())
	case now.Before(c.NotBefore):
		return state("future", templates.Waiting, c.NotBefore)
	case !c.ValidTo.IsZero():
		return state("overlap", templates.Waiting, c.End())
	}
	return state("valid", templates.Good, c.NotAfter)
}

// certificateRows is what a certificate says about itself.
func (a *Admin) certificateRows(ctx context.Context, c keymgr.Certificate) ([]templates.Row, error) {
	d, err := c.Details()
	if err != nil {
		return nil, err
	}
	issuer := d.Issuer
	if d.SelfSigned {
		issuer = i18n.T(ctx, "admin.certificate.self_signed")
	}
	row := func(key, value string) templates.Row {
		return templates.Row{Key: i18n.T(ctx, "admin.certificate."+key), Value: value}
	}
	return []templates.Row{
		row("subject", d.Subject), row("issuer", issuer), row("serial", d.Serial),
		row("validity", i18n.T(ctx, "admin.certificate.from_to", "from", a.when(ctx, d.NotBefore), "to", a.when(ctx, d.NotAfter))),
		row("key", d.Key), row("algorithm", c.Algorithm),
	}, nil
}

// groups writes a fingerprint as openssl does, in groups to read out over the telephone.
func groups(fingerprint string) []string {
	const bytesInGroup = 4
	var list []string
	for bytes := range slices.Chunk([]byte(strings.ToUpper(fingerprint)), 2*bytesInGroup) {
		var pairs []string
		for pair := range slices.Chunk(bytes, 2) {
			pairs = append(pairs, string(pair))
		}
		list = append(list, strings.Join(pairs, ":"))
	}
	return list
}

func (a *Admin) callsByAction(ctx context.Context, counts []keymgr.CallCount) templates.Table {
	table := templates.Table{
		Caption: i18n.T(ctx, "admin.partner.calls"), Empty: i18n.T(ctx, "admin.partner.calls_none"),
		Columns: columns(ctx, "action", "outcome", "calls#", "last_call"),
	}
	for _, c := range counts {
		table.Rows = append(table.Rows, []templates.Cell{
			{Text: c.Action}, {Text: outcomeText(ctx, c.Outcome), Detail: c.Outcome}, number(ctx, c.Count), {Text: a.when(ctx, c.LastAt)},
		})
	}
	return table
}

func (a *Admin) refusals(ctx context.Context, list []keymgr.RefusedCall) templates.Table {
	table := templates.Table{
		Caption: i18n.T(ctx, "admin.partner.refusals"), Empty: i18n.T(ctx, "admin.partner.refusals_none"),
		Columns: columns(ctx, "time", "action", "reason", "detail", "request"),
	}
	for _, r := range list {
		table.Rows = append(table.Rows, []templates.Cell{
			{Text: a.exactly(ctx, r.At)}, {Text: r.Action}, {Text: outcomeText(ctx, r.Outcome), Detail: r.Outcome}, {Text: r.Detail, Log: true}, {Text: r.RequestID, Code: true},
		})
	}
	return table
}
