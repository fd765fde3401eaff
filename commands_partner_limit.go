package main

import (
	"fmt"
	"strconv"

	"spar/keymgr"
)

// limitFlags are the limits of a partner; nil: not given.
type limitFlags struct {
	MaxBatch           *int `name:"max-batch" help:"Items in one message; 0: as mapper.max_batch has it, which holds in any case." placeholder:"N"`
	ItemsPerSecond     *int `name:"items-per-second" help:"Items a second of single calls, small lists and changes; 0: as limits.items_per_second has it." placeholder:"N"`
	BulkItemsPerSecond *int `name:"bulk-items-per-second" help:"Items a second of payment lists; 0: as limits.bulk_items_per_second has it." placeholder:"N"`
}

// over puts the limits that were given in the place of those that a partner has.
func (f limitFlags) over(limits keymgr.Limits) (result keymgr.Limits, given bool, err error) {
	for _, flag := range []struct {
		name    string
		value   *int
		largest int
		limit   *int
	}{
		{"--max-batch", f.MaxBatch, keymgr.LargestBatch, &limits.MaxBatch},
		{"--items-per-second", f.ItemsPerSecond, keymgr.LargestRate, &limits.ItemsPerSecond},
		{"--bulk-items-per-second", f.BulkItemsPerSecond, keymgr.LargestRate, &limits.BulkItemsPerSecond},
	} {
		if flag.value == nil {
			continue
		}
		if *flag.value < 0 || *flag.value > flag.largest {
			return limits, true, usageError{fmt.Sprintf("%s: expected a number from 1 to %d, or 0 for the general limit", flag.name, flag.largest)}
		}
		*flag.limit, given = *flag.value, true
	}
	return limits, given, nil
}

type partnerLimitCommand struct {
	Reference string `arg:"" name:"reference-id" help:"The partner."`

	limitFlags
}

func (partnerLimitCommand) Help() string {
	return `What is not given stays as it is.

Example: spar partner limit PARTNER-A --max-batch 500 --items-per-second 50`
}

func (l partnerLimitCommand) Run(c *console) error {
	if _, given, err := l.over(keymgr.Limits{}); err != nil {
		return err
	} else if !given {
		return usageError{"expected some of --max-batch, --items-per-second and --bulk-items-per-second"}
	}
	return c.changeRegister(func(register *keymgr.Register) error {
		partner, err := register.Get(c.ctx, l.Reference)
		if err != nil {
			return fmt.Errorf("limit %s: %w", l.Reference, err)
		}
		settings := partner.Settings()
		if settings.Limits, _, err = l.over(partner.Limits); err != nil {
			return err
		}
		err = register.Configure(c.ctx, c.actor(), l.Reference, settings, partner.ChangedAt)
		change := keymgr.Change{Reference: l.Reference, Kind: keymgr.ChangeConfigure, Settings: settings}
		if prepared, err := c.prepare(register, err, change); prepared || err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "%s has limits: %s\n", l.Reference, describeLimits(settings.Limits))
		return nil
	})
}

// describeLimits writes limits for people.
func describeLimits(l keymgr.Limits) string {
	return fmt.Sprintf("%s items in a message, %s a second, %s a second in payment lists",
		limitText(l.MaxBatch), limitText(l.ItemsPerSecond), limitText(l.BulkItemsPerSecond))
}

func limitText(n int) string {
	if n == 0 {
		return "general"
	}
	return strconv.Itoa(n)
}
