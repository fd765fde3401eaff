package main

import (
	"time"

	"spar/handlers"
	"spar/keymgr"
	"spar/keymgr/mosip"
	"spar/web"
)

// signatureChecks is what checks partners' signatures.
type signatureChecks struct {
	partners keymgr.Verifier   // partners' calls
	local    *keymgr.Local     // the register alone
	manager  *mosip.KeyManager // the key manager elsewhere; nil if there is none
}

func (a *app) newChecks(metrics *handlers.Metrics) (signatureChecks, error) {
	local := keymgr.NewLocal(a.register)
	if a.cfg.KeyManager.Mode != keyManagerMOSIP {
		return signatureChecks{partners: local, local: local}, nil
	}
	manager, err := newKeyManager(a.cfg, a.register, local, metrics.KeyManager(mosip.Calls(), mosip.Outcomes()))
	if err != nil {
		return signatureChecks{}, err
	}
	metrics.WatchBreaker(manager.State)
	return signatureChecks{partners: manager, local: local, manager: manager}, nil
}

// adminPages makes the pages for staff.
func (a *app) adminPages(v signatureChecks, sessions *web.Sessions, login *handlers.Login) *handlers.Admin {
	admin := &handlers.Admin{
		Register: a.register, Calls: a.calls, Links: a.service, Trail: a.trail, Directory: a.directory, Cases: a.service, Explainer: v.local,
		Editor: a.editor, MaxImport: int64(a.cfg.Admin.MaxImport),
		Sessions: sessions, Login: login, Reauthenticate: a.cfg.Admin.Reauthenticate, Location: time.Local, Now: time.Now, Log: a.log,
	}
	if v.manager != nil { // as below
		admin.KeyManager = v.manager
	}
	if a.notices != nil {
		admin.Notices = a.notices
	}
	return admin
}

// onboardingAPI makes the calls for hosts that automate onboarding.
func (a *app) onboardingAPI(v signatureChecks) *handlers.KeyManagerAPI {
	api := &handlers.KeyManagerAPI{
		Register: a.register, Verifier: v.local, Application: a.cfg.Application, Staff: a.providers.Bearer,
		Reauthenticate: a.cfg.Admin.Reauthenticate, Refusals: a.refusals, Now: time.Now, Log: a.log,
	}
	if v.manager != nil { // a nil pointer in the interface would not be nil
		api.KeyManager = v.manager
	}
	return api
}
