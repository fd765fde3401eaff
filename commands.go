package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"spar/internal/demo"
)

// Exit statuses, as documented.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// commandLine is every command and flag.
type commandLine struct {
	Config string `help:"Configuration file (default: $$SPAR_CONFIG, else spar.yaml)." placeholder:"FILE"`

	Demo        demoCommand        `cmd:"" help:"Run a complete demonstration on this machine; everything in it is invented."`
	Serve       serveCommand       `cmd:"" help:"Run the portal and the partner API."`
	Migrate     migrateCommand     `cmd:"" help:"Bring the database's schema up to date, or show its state."`
	Partner     partnerCommand     `cmd:"" help:"Onboard partner systems: who they are, what they may do, their certificates."`
	Audit       auditCommand       `cmd:"" help:"Check or list the audit log."`
	Links       linksCommand       `cmd:"" help:"Load links in bulk, or write all of them out."`
	Directory   directoryCommand   `cmd:"" help:"Load or write the directory of banks, branches and wallet providers."`
	TrustAnchor trustAnchorCommand `cmd:"" help:"Choose the authorities whose certificates partners may have."`
	Sign        signCommand        `cmd:"" help:"Print the Signature header for the body on stdin."`
	Verify      verifyCommand      `cmd:"" help:"Check a signature as the registry does, and show each step; for partners' developers."`
	Notices     noticesCommand     `cmd:"" help:"Try out the messages to people about changes of their account."`
	Keys        keysCommand        `cmd:"" help:"Rotate the key that answers are signed with."`
	Check       configCommand      `cmd:"" name:"config" help:"Look at the configuration."`
	Version     versionCommand     `cmd:"" help:"Print the version."`
}

// console is what a command may touch of the world outside.
type console struct {
	ctx        context.Context
	configFile string // empty: the default
	environ    []string
	stdin      io.Reader
	stdout     io.Writer
	stderr     io.Writer
}

// usageError is a wrong use of the command line that only the command itself could notice.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// exited carries kong's wish to end the process, which it voices after printing help.
type exited int

// run executes one command line and returns the exit status: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	defer func() {
		switch status := recover().(type) {
		case nil:
		case exited:
			code = int(status)
		default:
			panic(status)
		}
	}()
	var line commandLine
	parser, err := kong.New(&line,
		kong.Name("spar"),
		kong.Description("Social Payments Account Registry: keeps which account each person's social payments go to."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.Vars{"demo_provider": demo.ProviderAddress},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		fmt.Fprintf(stderr, "spar: build command line: %v\n", err)
		return exitFailed
	}
	selected, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "spar: %v (see spar --help)\n", err)
		return exitUsage
	}
	c := &console{ctx: ctx, configFile: line.Config, environ: environ, stdin: stdin, stdout: stdout, stderr: stderr}
	if c.configFile == "" {
		c.configFile = lookup(environ, configVariable)
	}
	if err := selected.Run(c); err != nil {
		if errors.Is(err, errNotVerified) {
			return exitFailed
		}
		report(stderr, err)
		if _, wrong := errors.AsType[usageError](err); wrong {
			return exitUsage
		}
		return exitFailed
	}
	return exitOK
}

// report writes one line for each problem of a configuration, and one line for whatever else failed: libraries put theirs
// into several.
func report(stderr io.Writer, err error) {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	if _, ok := errors.AsType[*configError](err); !ok {
		lines = []string{strings.Join(lines, " ")}
	}
	for _, line := range lines {
		fmt.Fprintf(stderr, "spar: %s\n", line)
	}
}

func lookup(environ []string, name string) string {
	for _, pair := range environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// load reads the configuration for a command that does not serve.
func (c *console) load() (Config, error) { return loadConfig(c.configFile, c.environ, false) }

// loadServing reads a configuration that must be enough to serve.
func (c *console) loadServing() (Config, error) { return loadConfig(c.configFile, c.environ, true) }
