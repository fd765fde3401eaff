package keymgr

import (
	"time"

	"spar/internal/audit"
)

// The audit events of the register. They hold reference ids, fingerprints and settings: a partner's name for people and
// the certificate itself stay in the register.

func addEvents(by audit.Actor, p Partner, first *Certificate) []audit.Event {
	events := []audit.Event{{
		Actor: by, Action: audit.PartnerAdd, Target: p.ReferenceID, After: string(p.Status),
		Detail: map[string]string{
			"permissions": join(p.Permissions, ","), "fa_providers": join(p.FAProviders, ","), "callback_url": p.CallbackURL, "limits": p.Limits.String(),
		},
	}}
	if first != nil {
		events = append(events, certificateEvent(by, p.ReferenceID, *first))
	}
	return events
}

func certificateEvent(by audit.Actor, reference string, c Certificate) audit.Event {
	return audit.Event{
		Actor: by, Action: audit.CertificateAdd, Target: reference, After: c.Fingerprint,
		Detail: map[string]string{
			"algorithm": c.Algorithm, "not_before": c.NotBefore.UTC().Format(time.RFC3339), "not_after": c.NotAfter.UTC().Format(time.RFC3339),
		},
	}
}

func statusEvent(by audit.Actor, reference string, before, after Status) audit.Event {
	action := audit.PartnerActivate
	if after == Suspended {
		action = audit.PartnerSuspend
	}
	return audit.Event{Actor: by, Action: action, Target: reference, Before: string(before), After: string(after)}
}

func permitEvent(by audit.Actor, reference, before, after string) audit.Event {
	return audit.Event{Actor: by, Action: audit.PartnerPermit, Target: reference, Before: before, After: after}
}
