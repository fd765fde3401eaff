package handlers

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"spar/keymgr"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// prepare keeps a change for another person to approve.
func (a *Admin) prepare(ctx context.Context, change keymgr.Change) error {
	_, err := a.Register.Prepare(ctx, a.by(ctx), change)
	return err
}

// prepared leads back to the partner and says that somebody else has to go on.
func (a *Admin) prepared(c *gin.Context, reference string) error {
	a.Sessions.Flash(c.Request.Context(), "admin.flash.prepared")
	web.Redirect(c, partnerPath(reference))
	return nil
}

// pendingTable lists the changes that wait for another person.
func (a *Admin) pendingTable(ctx context.Context, pending []keymgr.Prepared, partners []keymgr.Partner) templates.Table {
	table := templates.Table{Caption: i18n.T(ctx, "admin.pending.title"), Columns: columns(ctx, "change", "partner", "who", "time")}
	for _, change := range pending {
		partner := keymgr.Partner{ReferenceID: change.Reference, Name: change.Reference}
		if at := slices.IndexFunc(partners, func(p keymgr.Partner) bool { return p.ReferenceID == change.Reference }); at >= 0 {
			partner = partners[at]
		}
		table.Rows = append(table.Rows, []templates.Cell{
			{Text: i18n.T(ctx, "admin.pending.kind."+string(change.Kind)), Href: partnerPath(change.Reference, "changes", change.ID)},
			partnerCell(partner), a.who(ctx, change.PreparedBy), {Text: a.when(ctx, change.PreparedAt)},
		})
	}
	return table
}

// pendingChange is the one that the address names; somebody may have decided it meanwhile.
func (a *Admin) pendingChange(c *gin.Context) (keymgr.Partner, keymgr.Prepared, error) {
	p, err := a.partner(c)
	if err != nil {
		return p, keymgr.Prepared{}, err
	}
	pending, err := a.Register.Pending(c.Request.Context(), p.ReferenceID)
	if err != nil {
		return p, keymgr.Prepared{}, err
	}
	at := slices.IndexFunc(pending, func(change keymgr.Prepared) bool { return change.ID == c.Param("change") })
	if at < 0 {
		return p, keymgr.Prepared{}, adminDecided
	}
	return p, pending[at], nil
}

// showPending shows a prepared change, to whoever may approve it and to auditors.
func (a *Admin) showPending(c *gin.Context) error {
	p, change, err := a.pendingChange(c)
	if err != nil {
		return err
	}
	return a.renderPending(c, http.StatusOK, p, change, "")
}

// approve makes a prepared change.
func (a *Admin) approve(c *gin.Context) error {
	ctx := c.Request.Context()
	p, change, err := a.pendingChange(c)
	if err != nil {
		return err
	}
	made, err := a.Register.Approve(ctx, a.by(ctx), change.ID)
	if problem := a.approvalProblem(ctx, err); problem != "" {
		return a.renderPending(c, http.StatusUnprocessableEntity, p, change, problem)
	}
	flash := "admin.flash.approved"
	if err == nil && made.Kind == keymgr.ChangeCertificate && a.KeyManager != nil {
		flash = a.handOver(ctx, p.ReferenceID, made.Fingerprint)
	}
	return a.decided(c, p, err, flash)
}

// withdraw gives a prepared change up.
func (a *Admin) withdraw(c *gin.Context) error {
	ctx := c.Request.Context()
	p, change, err := a.pendingChange(c)
	if err != nil {
		return err
	}
	return a.decided(c, p, a.Register.Withdraw(ctx, a.by(ctx), change.ID), "admin.flash.withdrawn")
}

func (a *Admin) decided(c *gin.Context, p keymgr.Partner, err error, flash string) error {
	if errors.Is(err, keymgr.ErrDecided) {
		return adminDecided
	}
	if err != nil {
		return err
	}
	a.Sessions.Flash(c.Request.Context(), flash)
	web.Redirect(c, partnerPath(p.ReferenceID))
	return nil
}

// approvalProblem says why a change cannot be approved, now or by this person; nothing if it is a fault.
func (a *Admin) approvalProblem(ctx context.Context, err error) string {
	switch {
	case errors.Is(err, keymgr.ErrSamePerson):
		return i18n.T(ctx, "admin.pending.same_person")
	case errors.Is(err, keymgr.ErrStale):
		return i18n.T(ctx, "admin.pending.stale")
	}
	if problem := a.certificateProblem(ctx, err); problem != "" {
		return problem
	}
	return statusProblem(ctx, err)
}

func (a *Admin) renderPending(c *gin.Context, status int, p keymgr.Partner, change keymgr.Prepared, problem string) error {
	ctx := c.Request.Context()
	heading := i18n.T(ctx, "admin.pending.kind."+string(change.Kind))
	path := partnerPath(p.ReferenceID, "changes", change.ID)
	who := a.who(ctx, change.PreparedBy)
	view := templates.ConfirmView{
		Page:     a.frame(c.Request, templates.AdminPartners, titled(ctx, heading, problem)),
		BackHref: partnerPath(p.ReferenceID), Problem: problem, Heading: heading,
		Paragraphs: []string{i18n.T(ctx, "admin.pending.text")},
		Action:     path, Confirm: i18n.T(ctx, "admin.pending.approve"),
		OtherAction: path + "/withdraw", Other: i18n.T(ctx, "admin.pending.withdraw"),
		Rows: []templates.Row{
			{Key: i18n.T(ctx, "admin.column.partner"), Value: p.Name, Detail: p.ReferenceID},
			{Key: i18n.T(ctx, "admin.pending.prepared"), Value: a.when(ctx, change.PreparedAt), Detail: who.Text + " " + who.Detail},
		},
	}
	if !a.mayChange(c.Request) {
		view.Confirm, view.OtherAction, view.Paragraphs = "", "", nil
	} else if change.PreparedBy.ID == a.by(ctx).ID && change.PreparedBy.Kind == a.by(ctx).Kind {
		view.Confirm, view.Paragraphs = "", []string{i18n.T(ctx, "admin.pending.same_person")}
	}
	if err := a.pendingRows(ctx, &view, p, change); err != nil {
		return err
	}
	web.Render(c, status, templates.ConfirmPage(view))
	return nil
}

// pendingRows shows what a change will do, in full: whoever approves it answers for it as well.
func (a *Admin) pendingRows(ctx context.Context, view *templates.ConfirmView, p keymgr.Partner, change keymgr.Prepared) error {
	switch change.Kind {
	case keymgr.ChangeConfigure:
		view.Rows = append(view.Rows, a.namedSettings(ctx, p.With(change.Settings))...)
		view.Now = a.namedSettings(ctx, p)
	case keymgr.ChangeActivate:
		rows, err := a.activationRows(ctx, p)
		if err != nil {
			return err
		}
		view.Rows = append(view.Rows[1:], rows...)
	case keymgr.ChangeCertificate:
		certificate, err := a.Register.Inspect(ctx, change.Certificate, change.Algorithm)
		if problem := a.certificateProblem(ctx, err); problem != "" {
			view.Problem, view.Confirm = problem, ""
			break
		}
		if err != nil {
			return err
		}
		rows, err := a.certificateRows(ctx, certificate)
		if err != nil {
			return err
		}
		view.Rows = append(view.Rows, rows...)
		if len(usable(p, a.Now())) > 0 && !change.Beside {
			from := a.Now()
			if certificate.NotBefore.After(from) {
				from = certificate.NotBefore
			}
			view.Rows = append(view.Rows, templates.Row{Key: i18n.T(ctx, "admin.certificate.until"), Value: a.when(ctx, from.Add(change.Overlap))})
		}
		view.Paragraphs = append(view.Paragraphs, i18n.T(ctx, "admin.certificate.check_lead"))
	}
	if change.Stale(p) { // or what is shown here could be exchanged before it is approved
		view.Problem, view.Confirm = i18n.T(ctx, "admin.pending.stale"), ""
	}
	if change.Fingerprint != "" {
		view.Fingerprint = groups(change.Fingerprint)
	}
	return nil
}

func (a *Admin) namedSettings(ctx context.Context, p keymgr.Partner) []templates.Row {
	return append([]templates.Row{{Key: i18n.T(ctx, "admin.new.name"), Value: p.Name}}, a.settingsRows(ctx, p, false)...)
}
