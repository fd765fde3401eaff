package main

import (
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"spar/keymgr"
)

type trustAnchorCommand struct {
	Add    trustAnchorAddCommand    `cmd:"" help:"Accept partners' certificates that an authority issued."`
	List   trustAnchorListCommand   `cmd:"" help:"List the authorities whose certificates are accepted."`
	Remove trustAnchorRemoveCommand `cmd:"" help:"Refuse an authority's certificates from now on, also those that partners have."`
}

type trustAnchorAddCommand struct {
	Certificate string `required:"" help:"PEM file of the authority's certificate." placeholder:"FILE"`
	Name        string `help:"The authority's name for people; the certificate's subject, if not given." placeholder:"TEXT"`
}

func (trustAnchorAddCommand) Help() string {
	return `Example: spar trust-anchor add --certificate national-ca.pem --name "National PKI"`
}

func (a trustAnchorAddCommand) Run(c *console) error {
	certificate, err := os.ReadFile(a.Certificate)
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	return c.changeRegister(func(register *keymgr.Register) error {
		anchor, err := register.AddTrustAnchor(c.ctx, c.actor(), a.Name, certificate)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stdout, "certificates of %s are accepted from now on\ncertificate SHA-256 %s, valid %s to %s\n",
			anchor.Name, colons(anchor.Fingerprint), anchor.NotBefore.Format(time.DateOnly), anchor.NotAfter.Format(time.DateOnly))
		return nil
	})
}

type trustAnchorListCommand struct {
	JSON bool `name:"json" help:"Print JSON."`
}

func (trustAnchorListCommand) Help() string { return "Example: spar trust-anchor list --json" }

// trustAnchorView is an authority as scripts read it; the names are part of the command line's contract.
type trustAnchorView struct {
	Fingerprint string    `json:"fingerprint"`
	Name        string    `json:"name"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	AddedAt     time.Time `json:"added_at"`
}

func (l trustAnchorListCommand) Run(c *console) error {
	return c.withRegister(func(register *keymgr.Register) error {
		anchors, err := register.TrustAnchors(c.ctx)
		if err != nil {
			return err
		}
		if l.JSON {
			views := make([]trustAnchorView, 0, len(anchors))
			for _, a := range anchors {
				views = append(views, trustAnchorView{a.Fingerprint, a.Name, a.NotBefore, a.NotAfter, a.AddedAt})
			}
			return printJSON(c.stdout, views)
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "NAME\tVALID UNTIL\tSHA-256")
		for _, a := range anchors {
			fmt.Fprintf(table, "%s\t%s\t%s\n", a.Name, a.NotAfter.Format(time.DateOnly), colons(a.Fingerprint))
		}
		return table.Flush()
	})
}

type trustAnchorRemoveCommand struct {
	Fingerprint string `required:"" help:"SHA-256 of the authority's certificate in hex; colons are allowed." placeholder:"SHA256"`
}

func (trustAnchorRemoveCommand) Help() string {
	return "Example: spar trust-anchor remove --fingerprint 3B:A1:…"
}

func (r trustAnchorRemoveCommand) Run(c *console) error {
	return c.changeRegister(func(register *keymgr.Register) error {
		if err := register.RemoveTrustAnchor(c.ctx, c.actor(), r.Fingerprint); err != nil {
			return err
		}
		fmt.Fprintln(c.stdout, "the authority is not trusted any more; what it issued stops verifying")
		return nil
	})
}
