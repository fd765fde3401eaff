package main

import (
	"fmt"
	"runtime"
)

// version is set by the build; go run and go test leave it.
var version = "development"

type versionCommand struct{}

func (versionCommand) Help() string { return "Example: spar version" }

func (versionCommand) Run(c *console) error {
	_, err := fmt.Fprintf(c.stdout, "spar %s (%s)\n", version, runtime.Version())
	return err
}

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Read the configuration as serve does, report everything wrong with it, and print it with secrets hidden."`
}

type configCheckCommand struct{}

func (configCheckCommand) Help() string {
	return "Example: spar config check --config /etc/spar/spar.yaml"
}

func (configCheckCommand) Run(c *console) error {
	cfg, err := c.loadServing()
	if err != nil {
		return err
	}
	text, err := cfg.dump()
	if err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	_, err = fmt.Fprintf(c.stdout, "ok\n%s", text)
	return err
}
