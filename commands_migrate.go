package main

import (
	"fmt"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/jmoiron/sqlx"

	"spar/migrations"
)

type migrateCommand struct {
	Up     migrateUpCommand     `cmd:"" help:"Apply the migrations that are missing."`
	Status migrateStatusCommand `cmd:"" help:"List the migrations and when each was applied."`
}

type migrateUpCommand struct{}

func (migrateUpCommand) Help() string { return "Example: spar migrate up --config /etc/spar/spar.yaml" }

func (migrateUpCommand) Run(c *console) error {
	db, err := c.openDatabase()
	if err != nil {
		return err
	}
	defer db.Close()
	applied, err := migrations.Up(c.ctx, db)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "%d migrations applied\n", applied)
	return err
}

type migrateStatusCommand struct{}

func (migrateStatusCommand) Help() string {
	return "Example: spar migrate status --config /etc/spar/spar.yaml"
}

func (migrateStatusCommand) Run(c *console) error {
	db, err := c.openDatabase()
	if err != nil {
		return err
	}
	defer db.Close()
	list, err := migrations.List(c.ctx, db)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MIGRATION\tAPPLIED")
	for _, m := range list {
		applied := "pending"
		if !m.AppliedAt.IsZero() {
			applied = m.AppliedAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\n", filepath.Base(m.File), applied)
	}
	return table.Flush()
}

// openDatabase opens the configured database, whose schema may be of any age.
func (c *console) openDatabase() (*sqlx.DB, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	return openDatabase(c.ctx, cfg.Database.URL)
}
