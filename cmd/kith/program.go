// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/control"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// A program is kith with everything around it, so that a test can put it elsewhere.
type program struct {
	in          *os.File
	out, errors io.Writer
	environ     []string
	version     string
	terminal    bool // a person types at in and reads errors
	colour      bool // out is a terminal

	serve func(context.Context, config.Config) error
	open  func(context.Context, config.Config) (control.Admin, error) // the data folder, while no server runs
}

// commandLine is what may be typed. Its tags are the help texts.
type commandLine struct {
	Config string `short:"c" placeholder:"FILE" env:"KITH_CONFIG" help:"The configuration file; kith.toml here, if there is one."`

	Serve   serveCommand   `cmd:"" help:"Run the server."`
	User    userCommand    `cmd:"" help:"Look after accounts."`
	Invite  inviteCommand  `cmd:"" help:"Look after invitations."`
	Report  reportCommand  `cmd:"" help:"See whom people have reported."`
	Conf    configCommand  `cmd:"" name:"config" help:"Print a configuration file with all options and what they mean."`
	Doap    doapCommand    `cmd:"" help:"Print which standards the server follows, or the app, for lists of software (XEP-0453)."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

const description = `A home for your people: chat server and web app in one.

The commands talk to the server that runs on the same data folder, or open the folder while none runs.
Exit codes: 0 all went well, 1 something failed, 2 the command was not understood.`

// A usageError is an error in what was typed.
type usageError struct{ error }

// exited is how kong's wish to end the program after a help text reaches run.
type exited int

// run runs one command line and returns its exit code.
func (p *program) run(ctx context.Context, args []string) (code int) {
	defer func() {
		if e, ok := recover().(exited); ok {
			code = int(e)
		}
	}()
	var line commandLine
	parser, err := kong.New(&line,
		kong.Name("kith"), kong.Description(description),
		kong.Writers(p.out, p.errors), kong.Exit(func(code int) { panic(exited(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Bind(p, &line), kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		panic(err) // the tags above are wrong
	}
	k, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(p.errors, "kith: %v\nTry: kith --help\n", err)
		return exitUsage
	}
	err = k.Run()
	if err == nil {
		return exitOK
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(p.errors, "kith: interrupted")
		return exitFailed
	}
	for l := range strings.SplitSeq(control.Explain(err).Text, "\n") {
		fmt.Fprintf(p.errors, "kith: %s\n", l)
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// configuration loads what the command line, the environment and the file say.
func (p *program) configuration(line *commandLine) (config.Config, error) {
	return config.Load(line.Config, p.environ)
}

// administer runs f on the server that runs, or on the data folder while none does. Only with create is a data folder
// made where there is none.
func (p *program) administer(ctx context.Context, line *commandLine, create bool, f func(config.Config, control.Admin) error) error {
	c, err := p.configuration(line)
	if err != nil {
		return err
	}
	if control.Running(ctx, c.Socket()) {
		return f(c, control.Client(c.Socket()))
	}
	if _, err := os.Stat(c.Data); err != nil && !create {
		return fmt.Errorf("there is no data folder %s; is this the right place? (%w)", c.Data, err)
	}
	a, err := p.open(ctx, c)
	if err != nil {
		return err
	}
	return errors.Join(f(c, a), a.Close())
}

// serveCommand runs the server.
type serveCommand struct{}

// Run implements the command, as do all methods of that name.
func (serveCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	c, err := p.configuration(line)
	if err != nil {
		return err
	}
	return p.serve(ctx, c)
}

type configCommand struct{}

func (configCommand) Run(p *program) error {
	_, err := io.WriteString(p.out, config.Example)
	return err
}

type versionCommand struct{}

func (versionCommand) Run(p *program) error {
	_, err := fmt.Fprintf(p.out, "kith %s (%s, %s/%s)\n", p.version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
