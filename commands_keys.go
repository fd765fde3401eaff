package main

import (
	"fmt"
	"time"

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
	cfg, err := c.load()
	if err != nil {
		return err
	}
	path, err := keymgr.RotateOwnKeys(cfg.Keys.Dir, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "new signing key %s: back it up\n", path)
	return err
}
