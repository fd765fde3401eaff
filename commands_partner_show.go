package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"spar/keymgr"
)

type partnerListCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (partnerListCommand) Help() string { return "Example: spar partner list --json" }

func (l partnerListCommand) Run(c *console) error {
	return c.withRegister(func(register *keymgr.Register) error {
		partners, err := register.List(c.ctx)
		if err != nil {
			return err
		}
		if l.JSON {
			views := make([]partnerView, 0, len(partners))
			for _, p := range partners {
				views = append(views, viewPartner(p))
			}
			return printJSON(c.stdout, views)
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "REFERENCE ID\tNAME\tSTATUS\tPERMISSIONS\tBATCH\tRATE\tLISTS\tCERTIFICATES\tVALID UNTIL")
		for _, p := range partners {
			usable, until := usableCertificates(p, time.Now())
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", p.ReferenceID, p.Name, p.Status, listed(p.Permissions),
				limitText(p.Limits.MaxBatch), limitText(p.Limits.ItemsPerSecond), limitText(p.Limits.BulkItemsPerSecond), usable, until)
		}
		return table.Flush()
	})
}

type partnerShowCommand struct {
	Reference string `arg:"" name:"reference-id" help:"The partner."`
	JSON      bool   `name:"json" help:"Print JSON."`
}

func (partnerShowCommand) Help() string { return "Example: spar partner show PARTNER-A" }

func (s partnerShowCommand) Run(c *console) error {
	return c.withRegister(func(register *keymgr.Register) error {
		p, err := register.Get(c.ctx, s.Reference)
		if err != nil {
			return fmt.Errorf("show %s: %w", s.Reference, err)
		}
		held, err := c.heldElsewhere(register, s.Reference)
		if err != nil {
			return err
		}
		if s.JSON {
			view := viewPartner(p)
			for i := range view.Certificates {
				view.Certificates[i].InKeyManager = held.has(p.Certificates[i])
			}
			return printJSON(c.stdout, view)
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		for _, row := range [][2]string{
			{"Reference id", p.ReferenceID}, {"Name", p.Name}, {"Status", string(p.Status)},
			{"Permissions", listed(p.Permissions)}, {"FA providers", orElse(strings.Join(p.FAProviders, ", "), "any")},
			{"Callback URL", orElse(p.CallbackURL, "none")}, {"Items in a message", limitText(p.Limits.MaxBatch)},
			{"Items a second", limitText(p.Limits.ItemsPerSecond) + "; in payment lists " + limitText(p.Limits.BulkItemsPerSecond)},
			{"Registered", p.CreatedAt.Format(time.RFC3339)}, {"Changed", p.ChangedAt.Format(time.RFC3339)},
		} {
			fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
		}
		for _, one := range p.Certificates {
			fmt.Fprintf(table, "Certificate\t%s\n\t%s, valid %s to %s, %s%s\n", colons(one.Fingerprint), one.Algorithm,
				one.NotBefore.Format(time.RFC3339), one.End().Format(time.RFC3339), certificateState(one, time.Now()), held.describe(one))
		}
		return table.Flush()
	})
}

// partnerView is a partner as scripts read it; the names are part of the command line's contract.
type partnerView struct {
	ReferenceID  string              `json:"reference_id"`
	Name         string              `json:"name"`
	Status       keymgr.Status       `json:"status"`
	Permissions  []keymgr.Permission `json:"permissions"`
	FAProviders  []string            `json:"fa_providers"`
	CallbackURL  string              `json:"callback_url"`
	Limits       limitsView          `json:"limits"`
	CreatedAt    time.Time           `json:"created_at"`
	ChangedAt    time.Time           `json:"changed_at"`
	Certificates []certificateView   `json:"certificates"`
}

// limitsView are a partner's own limits; 0: the general one.
type limitsView struct {
	MaxBatch           int `json:"max_batch"`
	ItemsPerSecond     int `json:"items_per_second"`
	BulkItemsPerSecond int `json:"bulk_items_per_second"`
}

type certificateView struct {
	Fingerprint string     `json:"fingerprint"`
	Algorithm   string     `json:"algorithm"`
	State       string     `json:"state"`
	NotBefore   time.Time  `json:"not_before"`
	NotAfter    time.Time  `json:"not_after"`
	AddedAt     time.Time  `json:"added_at"`
	ValidTo     *time.Time `json:"valid_to"` // end of the overlap with its successor
	RevokedAt   *time.Time `json:"revoked_at"`

	InKeyManager *bool `json:"in_key_manager,omitempty"` // absent without one
}

func viewPartner(p keymgr.Partner) partnerView {
	view := partnerView{
		ReferenceID: p.ReferenceID, Name: p.Name, Status: p.Status, CallbackURL: p.CallbackURL,
		Permissions: append([]keymgr.Permission{}, p.Permissions...), FAProviders: append([]string{}, p.FAProviders...),
		CreatedAt: p.CreatedAt, ChangedAt: p.ChangedAt, Certificates: []certificateView{}, Limits: limitsView(p.Limits),
	}
	for _, held := range p.Certificates {
		c := certificateView{
			Fingerprint: held.Fingerprint, Algorithm: held.Algorithm, State: certificateState(held, time.Now()),
			NotBefore: held.NotBefore, NotAfter: held.NotAfter, AddedAt: held.AddedAt,
		}
		if !held.RevokedAt.IsZero() {
			c.RevokedAt = &held.RevokedAt
		}
		if !held.ValidTo.IsZero() {
			c.ValidTo = &held.ValidTo
		}
		view.Certificates = append(view.Certificates, c)
	}
	return view
}

func certificateState(c keymgr.Certificate, now time.Time) string {
	switch {
	case !c.RevokedAt.IsZero():
		return "revoked"
	case now.After(c.NotAfter):
		return "expired"
	case now.After(c.End()):
		return "replaced"
	case now.Before(c.NotBefore):
		return "not yet valid"
	}
	return "valid"
}

func usableCertificates(p keymgr.Partner, now time.Time) (count int, until string) {
	var last time.Time
	for _, held := range p.Certificates {
		if certificateState(held, now) == "valid" {
			count++
			if held.End().After(last) {
				last = held.End()
			}
		}
	}
	if count == 0 {
		return 0, "-"
	}
	return count, last.Format(time.DateOnly)
}

func listed(permissions []keymgr.Permission) string {
	names := make([]string, 0, len(permissions))
	for _, p := range permissions {
		names = append(names, string(p))
	}
	return orElse(strings.Join(names, ","), "nothing")
}

func orElse(text, instead string) string {
	if text == "" {
		return instead
	}
	return text
}

// colons writes a fingerprint as openssl does, for people to compare.
func colons(fingerprint string) string {
	fingerprint = strings.ToUpper(fingerprint)
	var b strings.Builder
	for i := 0; i < len(fingerprint); i++ {
		if i > 0 && i%2 == 0 {
			b.WriteByte(':')
		}
		b.WriteByte(fingerprint[i])
	}
	return b.String()
}

func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
