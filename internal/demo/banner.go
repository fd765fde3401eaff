package demo

import (
	"fmt"
	"strings"
)

// Banner is what the demo tells whoever started it.
type Banner struct {
	BaseURL string // of the portal and the partner API
	Dir     string // where everything is kept
	KeyPath string // private key of the sample bank
	Inbox   string // where the messages are shown that people get; empty: they get none
}

// Resolve is the command that asks, as the sample bank, where the money of somebody goes who is linked.
func (b Banner) Resolve() string { return ResolveCommand(b.BaseURL, b.KeyPath, b.linked().MapperID()) }

// linked is the person that the sample bank itself linked at the first start.
func (b Banner) linked() Person {
	p, _ := PersonByKey(existingLinks()[0].person)
	return p
}

// String is the text for a terminal.
func (b Banner) String() string {
	linked := map[string]bool{}
	for _, l := range existingLinks() {
		linked[l.person] = true
	}
	var people, staff strings.Builder
	for _, p := range People() {
		line := fmt.Sprintf("  %-12s  %s", GroupedID(p.NationalID), p.Name)
		if p.Staff() {
			fmt.Fprintf(&staff, "%s (%s)\n", line, strings.TrimPrefix(p.Roles[0], "spar-"))
			continue
		}
		if linked[p.Key] {
			line += " (linked at the first start)"
		}
		fmt.Fprintln(&people, line)
	}
	inbox := ""
	if b.Inbox != "" {
		inbox = fmt.Sprintf("  Inbox   %s (messages that people get about changes)\n", b.Inbox)
	}
	return fmt.Sprintf(`SPAR demonstration. Everybody and everything in it is invented.

  Portal  %s
  Data    %s (delete the folder to begin afresh)
%s
Log in with National ID as one of these people; nobody has a password:

%s
Log in at %s/admin as staff:

%s
Ask as Sample Bank A (%s) where the money of %s goes; paste this into a shell:

%s
`, b.BaseURL, b.Dir, inbox, people.String(), b.BaseURL, staff.String(), SampleBank, b.linked().Name, b.Resolve())
}
