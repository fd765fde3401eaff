package main

import (
	"errors"
	"fmt"
	"os/user"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/internal/keyring"
	"spar/migrations"
)

// withDatabase runs do on the configured database, whether or not a server is running on it.
func (c *console) withDatabase(do func(Config, *sqlx.DB) error) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	db, err := openDatabase(c.ctx, cfg.Database.URL)
	if err != nil {
		return err
	}
	defer db.Close()
	pending, err := migrations.Pending(c.ctx, db)
	if err != nil {
		return err
	}
	if pending {
		return errors.New("the database's schema is older than this program: run spar migrate up first")
	}
	return do(cfg, db)
}

// openTrail opens the audit log. A command may be the first to use it, and then it makes its key.
func (c *console) openTrail(cfg Config, db *sqlx.DB) (*audit.Log, error) {
	ring, err := keyring.OpenAudit(c.ctx, db, cfg.Keys.Dir, time.Now())
	if err != nil {
		return nil, err
	}
	c.mentionNewKeys(ring)
	trail, err := audit.Open(c.ctx, db, ring.Audit, ring.NewAudit(), time.Now)
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	return trail, nil
}

func (c *console) mentionNewKeys(ring *keyring.Ring) {
	for _, path := range ring.Created {
		fmt.Fprintf(c.stderr, "spar: created %s, the key of the audit log: back it up\n", path)
	}
}

// actor is whoever runs the command: its user on this machine, and through sudo also the one who called that.
func (c *console) actor() audit.Actor {
	by := audit.Actor{Kind: audit.Command}
	if u, err := user.Current(); err == nil {
		by.ID = u.Username
	}
	if caller := lookup(c.environ, "SUDO_USER"); caller != "" && caller != by.ID {
		by.ID += " for " + caller
	}
	return by
}
