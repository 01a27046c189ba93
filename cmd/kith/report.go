// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/internal/terminal"
)

type reportCommand struct {
	List   reportListCommand   `cmd:"" help:"Show the reports, the latest first."`
	Remove reportRemoveCommand `cmd:"" help:"Remove a report that is dealt with."`
}

type reportListCommand struct {
	Limit  int    `default:"20" help:"How many at most; 20 if not said."`
	Before string `placeholder:"ID" help:"Show those before the one with that id."`
}

func (r reportListCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	if r.Limit < 1 || r.Limit > 1000 {
		return usageError{errors.New("--limit must be 1 to 1000")}
	}
	return p.administer(ctx, line, false, func(_ config.Config, a control.Admin) error {
		list, err := a.ListReports(ctx, r.Before, r.Limit)
		if err != nil {
			return err
		}
		for _, x := range list {
			if _, err := fmt.Fprint(p.out, describe(x)); err != nil {
				return err
			}
		}
		return nil
	})
}

// describe is a report for people to read: some lines, and an empty one.
func describe(r control.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s reports %s: %s\n", r.ID, r.At.Local().Format(dateTime), terminal.Printable(r.Reporter),
		terminal.Printable(r.Reported), terminal.Printable(r.Reason))
	for l := range strings.Lines(r.Words) {
		fmt.Fprintf(&b, "    %s\n", terminal.Printable(strings.TrimRight(l, "\n")))
	}
	for _, m := range r.Messages {
		fmt.Fprintf(&b, "    > %s\n", terminal.Printable(m))
	}
	var may []string
	if r.Origin {
		may = append(may, "the other's server")
	}
	if r.ThirdParty {
		may = append(may, "others")
	}
	if len(may) > 0 {
		fmt.Fprintf(&b, "    It may be told to %s.\n", strings.Join(may, " and "))
	}
	b.WriteByte('\n')
	return b.String()
}

type reportRemoveCommand struct {
	ID string `arg:"" help:"The id that \"kith report list\" shows."`
}

func (r reportRemoveCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	return p.administer(ctx, line, false, func(_ config.Config, a control.Admin) error {
		if err := a.RemoveReport(ctx, r.ID); err != nil {
			return err
		}
		return p.say("The report is removed.")
	})
}
