// Command spar is the Social Payments Account Registry: one process that serves the beneficiaries' portal and the partner
// API, and the commands to run it. This package only reads the configuration and puts the parts together; what the
// registry does is in mapper, who may ask it in keymgr, and the URLs are in handlers.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
