package main

import (
	"context"
	"strings"
	"time"

	"spar/handlers"
	"spar/internal/keyring"
	"spar/internal/notices"
	"spar/mapper"
)

// openNotices makes the outbox of messages to people, if the configuration has a channel for them.
func (a *app) openNotices(ring *keyring.Ring, metrics *handlers.Metrics) error {
	if !a.cfg.Notices.enabled() {
		return nil
	}
	channels, err := a.cfg.Notices.channels()
	if err != nil {
		return err
	}
	var names []string
	for _, c := range channels {
		names = append(names, c.Name)
	}
	portal := a.cfg.Notices.PortalURL
	if portal == "" {
		portal = a.cfg.BaseURL
	}
	a.notices, err = notices.New(notices.Config{
		DB: a.db, Seal: ring.Records, Trail: a.trail, Channels: channels, PortalURL: strings.TrimSuffix(portal, "/"),
		Region: a.cfg.Mapper.DefaultRegion, Keep: a.cfg.Notices.Keep, Location: time.Local, PartnerName: a.partnerName,
		ServiceName: a.look.Name, ShortName: a.look.ShortName,
		Observe: metrics.Notices(names), Now: time.Now, Log: a.log,
	})
	if err != nil {
		return err
	}
	metrics.WatchNotices(names, a.notices.Waiting, time.Now)
	a.purges = append(a.purges, a.notices.Purge)
	return nil
}

// notifier is what the mapper tells of changes; nil if nobody is to be told.
func (a *app) notifier() mapper.Notifier {
	if a.notices == nil {
		return nil
	}
	return a.notices
}

// partnerName is what people know a partner by, and its reference id if it has no name.
func (a *app) partnerName(ctx context.Context, reference string) string {
	if partner, err := a.register.Get(ctx, reference); err == nil && partner.Name != "" {
		return partner.Name
	}
	return reference
}
