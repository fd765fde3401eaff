package handlers

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"

	"spar/internal/audit"
	"spar/keymgr"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// onboardingStep is one of the four steps that lead to an active partner. The partner itself is the draft: it is in the
// register from the first step on, so any administrator can go on with it, on any replica.
type onboardingStep struct {
	key  string // of the catalogue, and below the partner's path
	done func(p keymgr.Partner, now time.Time) bool
}

func onboardingSteps() []onboardingStep {
	return []onboardingStep{
		{"name", func(p keymgr.Partner, _ time.Time) bool { return p.ReferenceID != "" }},
		{"certificate", func(p keymgr.Partner, now time.Time) bool { return len(usable(p, now)) > 0 }},
		{"settings", func(p keymgr.Partner, _ time.Time) bool { return len(p.Permissions) > 0 }},
		{"activate", func(p keymgr.Partner, _ time.Time) bool { return p.Status == keymgr.Active }},
	}
}

// path of the step's form.
func (s onboardingStep) path(p keymgr.Partner) string { return partnerPath(p.ReferenceID, s.key) }

// nextStep is the first that is not done; the last one when nothing is missing.
func nextStep(p keymgr.Partner, now time.Time) onboardingStep {
	all := onboardingSteps()
	for _, step := range all {
		if !step.done(p, now) {
			return step
		}
	}
	return all[len(all)-1]
}

// steps shows how far an onboarding is; nil for a partner whose onboarding is over.
func (a *Admin) steps(ctx context.Context, p keymgr.Partner, current string) []templates.StepView {
	if p.Status != keymgr.Draft && p.ReferenceID != "" {
		return nil
	}
	var list []templates.StepView
	for _, step := range onboardingSteps() {
		list = append(list, templates.StepView{
			Label: i18n.T(ctx, "admin.step."+step.key), Done: step.done(p, a.Now()), Current: step.key == current,
		})
	}
	return list
}

// goOn leads on after a change: to the next step of an onboarding, or back to the partner.
func (a *Admin) goOn(c *gin.Context, reference, flash string) error {
	ctx := c.Request.Context()
	p, err := a.Register.Get(ctx, reference)
	if err != nil {
		return err
	}
	a.Sessions.Flash(ctx, flash)
	if p.Status == keymgr.Draft {
		web.Redirect(c, nextStep(p, a.Now()).path(p))
	} else {
		web.Redirect(c, partnerPath(reference))
	}
	return nil
}

// by is who makes a change, for the audit log.
func (a *Admin) by(ctx context.Context) audit.Actor {
	user, _ := a.Sessions.User(ctx)
	return actorOf(ctx, user)
}
