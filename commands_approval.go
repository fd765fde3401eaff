package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"spar/keymgr"
)

// prepare keeps a change for another person where the register wants two; prepared is false for every other outcome.
func (c *console) prepare(register *keymgr.Register, outcome error, change keymgr.Change) (prepared bool, err error) {
	if !errors.Is(outcome, keymgr.ErrNeedsApproval) {
		return false, outcome
	}
	kept, err := register.Prepare(c.ctx, c.actor(), change)
	if err != nil {
		return false, err
	}
	if kept.Fingerprint != "" {
		fmt.Fprintf(c.stdout, "certificate SHA-256 %s\n", colons(kept.Fingerprint))
	}
	fmt.Fprintf(c.stdout, "prepared as %s: it takes effect when somebody else approves it, in the browser\n", kept.ID)
	return true, nil
}

type partnerPendingCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (partnerPendingCommand) Help() string { return "Example: spar partner pending" }

// pendingView is a prepared change as scripts read it; the names are part of the command line's contract.
type pendingView struct {
	ID          string            `json:"id"`
	ReferenceID string            `json:"reference_id"`
	Kind        keymgr.ChangeKind `json:"kind"`
	PreparedBy  string            `json:"prepared_by"`
	PreparedAt  time.Time         `json:"prepared_at"`
	Fingerprint string            `json:"fingerprint,omitempty"`
	Settings    *settingsView     `json:"settings,omitempty"`
	Stale       bool              `json:"stale"` // the partner changed: it cannot be approved
}

type settingsView struct {
	Name        string              `json:"name"`
	Permissions []keymgr.Permission `json:"permissions"`
	FAProviders []string            `json:"fa_providers"`
	CallbackURL string              `json:"callback_url"`
	Limits      limitsView          `json:"limits"`
}

func viewPending(p keymgr.Prepared) pendingView {
	view := pendingView{
		ID: p.ID, ReferenceID: p.Reference, Kind: p.Kind, PreparedBy: p.PreparedBy.String(), PreparedAt: p.PreparedAt, Fingerprint: p.Fingerprint,
	}
	if p.Kind == keymgr.ChangeConfigure {
		view.Settings = &settingsView{
			Name: p.Settings.Name, Permissions: append([]keymgr.Permission{}, p.Settings.Permissions...),
			FAProviders: append([]string{}, p.Settings.FAProviders...), CallbackURL: p.Settings.CallbackURL,
			Limits: limitsView(p.Settings.Limits),
		}
	}
	return view
}

func (p partnerPendingCommand) Run(c *console) error {
	return c.withRegister(func(register *keymgr.Register) error {
		pending, err := register.Pending(c.ctx, "")
		if err != nil {
			return err
		}
		views := make([]pendingView, 0, len(pending))
		for _, change := range pending {
			partner, err := register.Get(c.ctx, change.Reference)
			if err != nil {
				return err
			}
			view := viewPending(change)
			view.Stale = change.Stale(partner)
			views = append(views, view)
		}
		if p.JSON {
			return printJSON(c.stdout, views)
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "ID\tREFERENCE ID\tCHANGE\tPREPARED BY\tAT")
		for _, v := range views {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", v.ID, v.ReferenceID, v.describe(), v.PreparedBy, v.PreparedAt.Format(time.RFC3339))
		}
		return table.Flush()
	})
}

func (v pendingView) describe() string {
	if v.Stale {
		v.Stale = false
		return v.describe() + " (stale: the partner changed, prepare it again)"
	}
	switch {
	case v.Settings != nil:
		return fmt.Sprintf("%s: name %q, may %s, for %s, callback %s, %s", v.Kind, v.Settings.Name, listed(v.Settings.Permissions),
			orElse(strings.Join(v.Settings.FAProviders, " "), "all banks and wallets"), orElse(v.Settings.CallbackURL, "none"),
			describeLimits(keymgr.Limits(v.Settings.Limits)))
	case v.Fingerprint != "":
		return fmt.Sprintf("%s %s", v.Kind, colons(v.Fingerprint))
	}
	return string(v.Kind)
}

type partnerApproveCommand struct {
	ID string `arg:"" name:"id" help:"What spar partner pending shows."`
}

func (partnerApproveCommand) Help() string {
	return `Approves what somebody prepared in the browser. Whatever a command prepared, only somebody in the browser can approve.

Example: spar partner approve 3QF6TJXY…`
}

func (a partnerApproveCommand) Run(c *console) error {
	return c.changeRegister(func(register *keymgr.Register) error {
		approved, err := register.Approve(c.ctx, c.actor(), a.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "approved: %s of %s\n", approved.Kind, approved.Reference)
		return nil
	})
}

type partnerWithdrawCommand struct {
	ID string `arg:"" name:"id" help:"What spar partner pending shows."`
}

func (partnerWithdrawCommand) Help() string { return "Example: spar partner withdraw 3QF6TJXY…" }

func (w partnerWithdrawCommand) Run(c *console) error {
	return c.changeRegister(func(register *keymgr.Register) error {
		if err := register.Withdraw(c.ctx, c.actor(), w.ID); err != nil {
			return err
		}
		fmt.Fprintln(c.stdout, "withdrawn")
		return nil
	})
}
