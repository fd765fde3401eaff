package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/keyring"
)

type auditCommand struct {
	Verify auditVerifyCommand `cmd:"" help:"Check that nothing in the audit log was edited, removed, reordered or added."`
	List   auditListCommand   `cmd:"" help:"List the newest events of the audit log."`

	Restart auditRestartCommand `cmd:"" help:"Begin a new audit log in place of a broken one, which is kept."`
}

// withTrail runs do on the audit log as it is: it neither makes a key nor begins a log.
func (c *console) withTrail(do func(context.Context, *audit.Log) error) error {
	return c.withDatabase(func(cfg Config, db *sqlx.DB) error {
		if _, err := os.Stat(keyring.AuditFile(cfg.Keys.Dir)); err != nil {
			return fmt.Errorf("find the key of the audit log: %w", err)
		}
		ring, err := keyring.OpenAudit(c.ctx, db, cfg.Keys.Dir, time.Now())
		if err != nil {
			return err
		}
		return do(c.ctx, audit.Inspect(db, ring.Audit, time.Now))
	})
}

type auditVerifyCommand struct {
	Noted []string `help:"Number and hash of an event, as an earlier check or the server's log printed them; repeat for more." placeholder:"NUMBER:HASH"`
}

func (auditVerifyCommand) Help() string {
	return "Exit status 0 and one line with the number of events and the hash of the last one, or 1 and the first event that is not as it was written. Keep that line elsewhere: given back with --noted, it proves that the log was not replaced as a whole. Example: spar audit verify --noted 4711:3ba1…"
}

func (v auditVerifyCommand) Run(c *console) error {
	var noted []audit.Head
	for _, text := range v.Noted {
		number, hash, _ := strings.Cut(text, ":")
		seq, err := strconv.ParseInt(number, 10, 64)
		if err != nil || seq < 1 || len(hash) != 64 {
			return usageError{fmt.Sprintf("--noted %.80q: expected the number of an event, a colon, and its hash of 64 hex digits", text)}
		}
		noted = append(noted, audit.Head{Seq: seq, Hash: strings.ToLower(hash)})
	}
	return c.withTrail(func(ctx context.Context, trail *audit.Log) error {
		report, err := trail.Verify(ctx, noted...)
		if err != nil {
			return err
		}
		if f := report.Finding; f != nil {
			return fmt.Errorf("the audit log was tampered with (%s): %s; the %d events before it are in order", f.Fault, f.Text, report.Events)
		}
		_, err = fmt.Fprintf(c.stdout, "%d events are in order; the last one is %d:%s\n", report.Events, report.Head.Seq, report.Head.Hash)
		return err
	})
}

type auditRestartCommand struct {
	Reason string `required:"" help:"Why, for whoever reads the new log." placeholder:"TEXT"`
}

func (auditRestartCommand) Help() string {
	return "For a log that was tampered with, or whose key was lost: without a log nothing can be changed. Stop all servers first. The old log's tables are kept, and the new log begins with who did this, why, and where the old one ended. Example: spar audit restart --reason \"disk failure on 3 May\""
}

func (r auditRestartCommand) Run(c *console) error {
	return c.withDatabase(func(cfg Config, db *sqlx.DB) error {
		ring, err := keyring.RenewAudit(c.ctx, db, cfg.Keys.Dir, time.Now())
		if err != nil {
			return err
		}
		c.mentionNewKeys(ring)
		events, heads, err := audit.Restart(c.ctx, db, ring.Audit, c.actor(), r.Reason, time.Now)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.stdout, "a new audit log has begun; the old one is kept in the tables %s and %s\n", events, heads)
		return err
	})
}

type auditListCommand struct {
	Action  string `help:"Only this action, such as partner.add; with a dot at its end, a group of them." placeholder:"ACTION"`
	Partner string `help:"Only what was done to this partner or by it." placeholder:"REFERENCE-ID"`
	Limit   int    `help:"How many; at most 1000." default:"50" placeholder:"NUMBER"`
	JSON    bool   `name:"json" help:"Print JSON."`
	CSV     bool   `name:"csv" help:"Print all of them as CSV, whatever the limit."`
}

func (auditListCommand) Help() string {
	return "Example: spar audit list --partner PARTNER-A --json"
}

func (l auditListCommand) Validate() error {
	if l.JSON && l.CSV {
		return errors.New("--json and --csv cannot both be")
	}
	if l.Limit < 1 || l.Limit > 1000 {
		return errors.New("--limit: expected 1 to 1000")
	}
	return nil
}

func (l auditListCommand) Run(c *console) error {
	filter := audit.Filter{Action: l.Action, Partner: l.Partner, Limit: l.Limit}
	return c.withTrail(func(ctx context.Context, trail *audit.Log) error {
		if l.CSV {
			return trail.WriteCSV(ctx, c.stdout, filter)
		}
		entries, err := trail.List(ctx, filter)
		if err != nil {
			return err
		}
		if l.JSON {
			return printJSON(c.stdout, viewEntries(entries))
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "NUMBER\tTIME\tACTOR\tACTION\tTARGET\tBEFORE\tAFTER\tDETAIL")
		for _, e := range entries {
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Seq, e.At.Format(time.RFC3339), e.Actor, e.Action, e.Target, e.Before, e.After, e.DetailText())
		}
		return table.Flush()
	})
}

// auditView is an event as `audit list --json` prints it.
type auditView struct {
	Number    int64             `json:"number"`
	Time      time.Time         `json:"time"`
	ActorKind string            `json:"actor_kind"`
	Actor     string            `json:"actor"`
	RequestID string            `json:"request_id"`
	Action    string            `json:"action"`
	Target    string            `json:"target"`
	Before    string            `json:"before"`
	After     string            `json:"after"`
	Detail    map[string]string `json:"detail"`
	Hash      string            `json:"hash"`
}

func viewEntries(entries []audit.Entry) []auditView {
	views := make([]auditView, 0, len(entries))
	for _, e := range entries {
		views = append(views, auditView{
			e.Seq, e.At, e.Actor.Kind, e.Actor.ID, e.Actor.RequestID, e.Action, e.Target, e.Before, e.After, e.Detail, e.Hash,
		})
	}
	return views
}
