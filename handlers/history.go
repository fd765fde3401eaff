package handlers

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"spar/mapper"
	"spar/templates"
	"spar/web"
	"spar/web/i18n"
)

// historyLength is how many changes the page lists.
const historyLength = 100

// historyIcons mark what was done.
var historyIcons = map[mapper.Action]string{mapper.Link: "link", mapper.Update: "change", mapper.Unlink: "remove", mapper.Hold: "clock", mapper.Cancel: "check", mapper.Freeze: "lock", mapper.Restore: "check"}

// showHistory lists every change of the person's link: when, what, and by whom.
func (p *Portal) showHistory(c *gin.Context) error {
	ctx := c.Request.Context()
	user, _ := p.person(ctx)
	changes, err := p.History.History(ctx, mapper.ID(user.ID), historyLength+1)
	if err != nil {
		return err
	}
	view := templates.HistoryView{Page: p.frame(c.Request, templates.History, i18n.T(ctx, "history.title"))}
	if len(changes) > historyLength {
		changes = changes[:historyLength]
		view.More = i18n.T(ctx, "history.more", "number", i18n.Number(ctx, historyLength))
	}
	now, err := p.current(ctx, user)
	if err != nil {
		return err
	}
	names := map[string]string{}
	ended := map[int64]bool{} // when those changes were asked for that waited and do so no more
	for _, change := range changes {
		entry, err := p.historyEntry(ctx, change, now.report, names)
		if err != nil {
			return err
		}
		// Payments that were stopped or go on are part of a report, not a change to report.
		if entry.Reported == "" && change.Action != mapper.Freeze && change.Action != mapper.Restore {
			entry.NotMe = notMeHref(change.ID)
		}
		p.describeHeld(ctx, &entry, change, ended)
		view.Entries = append(view.Entries, entry)
	}
	web.Render(c, http.StatusOK, templates.HistoryPage(view))
	return nil
}

// historyEntry describes a change. report is what the person reported last; names remembers the partners already looked up.
func (p *Portal) historyEntry(ctx context.Context, change mapper.Change, report *mapper.Case, names map[string]string) (templates.HistoryEntry, error) {
	card, err := p.card(ctx, change.FA, change.Provider)
	if err != nil {
		return templates.HistoryEntry{}, err
	}
	entry := templates.HistoryEntry{
		Icon: historyIcons[change.Action], What: i18n.T(ctx, "history."+string(change.Action)),
		Account: i18n.T(ctx, "history.account", "kind", card.Kind, "provider", card.Provider), Number: card.Number,
		When: i18n.DateTime(ctx, change.At.In(p.Location)), Time: change.At.UTC().Format(time.RFC3339),
		By: i18n.T(ctx, "history.by_you"), Reference: change.ID,
	}
	if report != nil && slices.Contains(report.Reported, change.ID) && report.Open() {
		entry.Reported = i18n.T(ctx, "history.reported", "number", report.Number)
	}
	switch {
	case change.ByBeneficiary:
	case change.Partner == mapper.Staff, change.Partner == mapper.Operator:
		entry.By = i18n.T(ctx, "history.by_staff")
	default:
		entry.By = i18n.T(ctx, "history.by_partner", "partner", partnerName(ctx, p.Partners, change.Partner, names))
	}
	return entry, nil
}

// partnerName is what people know the partner by. A partner that cannot be looked up is shown by its reference id: what
// people are told must not depend on it.
func partnerName(ctx context.Context, partners Partners, referenceID string, names map[string]string) string {
	if name, ok := names[referenceID]; ok {
		return name
	}
	name := referenceID
	if partner, err := partners.Get(ctx, referenceID); err == nil && partner.Name != "" {
		name = partner.Name
	}
	names[referenceID] = name
	return name
}
