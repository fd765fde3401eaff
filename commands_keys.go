package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/internal/audit"
	"spar/keymgr"
)

type keysCommand struct {
	Rotate keysRotateCommand `cmd:"" help:"Make a new key for signing answers; the older ones stay published."`
}

type keysRotateCommand struct{}

func (keysRotateCommand) Help() string {
	return "Running servers that share keys.dir sign with the new key within five seconds. Copy it to the others, and delete an old key's file once nobody needs to check what it signed. Example: spar keys rotate"
}

func (keysRotateCommand) Run(c *console) error {
	return c.withDatabase(func(cfg Config, db *sqlx.DB) error {
		trail, err := c.openTrail(cfg, db)
		if err != nil {
			return err
		}
		path, err := keymgr.RotateOwnKeys(cfg.Keys.Dir, time.Now())
		if err != nil {
			return err
		}
		if err := trail.Record(c.ctx, audit.Event{Actor: c.actor(), Action: audit.KeyRotate, Target: filepath.Base(path)}); err != nil {
			return errors.Join(err, os.Remove(path)) // no key comes into use that was not recorded
		}
		_, err = fmt.Fprintf(c.stdout, "new signing key %s: back it up\n", path)
		return err
	})
}
