// SPDX-License-Identifier: Apache-2.0

// Command kith is the server and what is needed to run it.
//
// "kith serve" runs it; the other commands look after accounts and invitations. They talk to the server that runs on the
// same data folder, or open the folder by themselves while none runs. Passwords are typed where they do not show, or
// piped in; never given as arguments, which others can see.
//
// The exit code is 0 if all went well, 1 if something failed, 2 if the command was not understood.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/kith-im/kith/internal/app"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/terminal"
)

// version is set by the linker.
var version = "unknown"

func main() {
	// The first signal ends what runs, in good order; stop gives the second its usual force.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	p := &program{
		version: version,
		in:      os.Stdin, out: os.Stdout, errors: os.Stderr,
		environ:  os.Environ(),
		terminal: terminal.Is(os.Stdin) && terminal.Is(os.Stderr),
		colour:   terminal.Is(os.Stdout),
		serve: func(ctx context.Context, c config.Config) error {
			return app.Run(ctx, c, app.Options{
				Log: slog.New(c.Log.Handler(os.Stderr)), Version: version, Out: os.Stdout, Terminal: terminal.Is(os.Stdout),
			})
		},
		open: app.OpenAdmin,
	}
	os.Exit(p.run(ctx, os.Args[1:]))
}
