// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/internal/terminal"
)

type inviteCommand struct {
	Create inviteCreateCommand `cmd:"" help:"Make an invitation and print its link."`
	List   inviteListCommand   `cmd:"" help:"List the invitations that can still be used."`
	Revoke inviteRevokeCommand `cmd:"" help:"Make an invitation useless."`
}

type inviteCreateCommand struct {
	roleFlags
	ExpiresAfter lifetime `default:"7d" placeholder:"TIME" help:"How long the link can be used, as 90m, 24h, 7d or 2w; 7d if not said."`
	Uses         int      `default:"1" help:"How many accounts may be made with it; 1 if not said."`
	Note         string   `placeholder:"TEXT" help:"What it is for; only lists show it."`
	QR           bool     `name:"qr" help:"Draw the link as a QR code, too."`
}

func (i inviteCreateCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	if i.Uses < 1 {
		return usageError{errors.New("--uses must be 1 or more")}
	}
	role, err := i.chosen()
	if err != nil {
		return err
	}
	return p.administer(ctx, line, true, func(_ config.Config, a control.Admin) error {
		r := control.InviteRequest{Role: role, Uses: i.Uses, TTL: time.Duration(i.ExpiresAfter), Note: i.Note}
		inv, err := a.CreateInvite(ctx, r)
		if err != nil {
			return err
		}
		accounts := "one account"
		if inv.Uses > 1 {
			accounts = strconv.Itoa(inv.Uses) + " accounts"
		}
		// The link alone goes to the standard output, for scripts.
		if err := p.say("Good for %s with the role %s, until %s:", accounts, inv.Role, inv.Expires.Local().Format(dateTime)); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(p.out, inv.URL); err != nil {
			return err
		}
		if i.QR {
			return terminal.WriteQR(p.out, inv.URL, p.colour)
		}
		return nil
	})
}

type inviteListCommand struct{}

func (inviteListCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	return p.administer(ctx, line, false, func(_ config.Config, a control.Admin) error {
		list, err := a.ListInvites(ctx)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tROLE\tUSED\tUNTIL\tFROM\tLINK\tNOTE")
		for _, i := range list {
			from := i.Inviter
			if from == "" {
				from = "the server"
			}
			fmt.Fprintf(w, "%s\t%s\t%d of %d\t%s\t%s\t%s\t%s\n",
				i.ID, i.Role, i.Used, i.Uses, i.Expires.Local().Format(dateTime), terminal.Printable(from), i.URL, terminal.Printable(i.Note))
		}
		return w.Flush()
	})
}

type inviteRevokeCommand struct {
	ID string `arg:"" help:"The id that \"kith invite list\" shows."`
}

func (i inviteRevokeCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	return p.administer(ctx, line, false, func(_ config.Config, a control.Admin) error {
		if err := a.RevokeInvite(ctx, i.ID); err != nil {
			return err
		}
		return p.say("The invitation is useless now.")
	})
}

// A lifetime is a duration that may be given in days and weeks.
type lifetime time.Duration

// UnmarshalText reads "90m", "24h", "7d" or "2w".
func (l *lifetime) UnmarshalText(text []byte) error {
	s := string(text)
	d, err := time.ParseDuration(s)
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if count, ok := strings.CutSuffix(s, suffix); ok {
			var n uint64
			n, err = strconv.ParseUint(count, 10, 16)
			d = time.Duration(n) * unit
		}
	}
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is no time such as 24h, 7d or 2w", s)
	}
	*l = lifetime(d)
	return nil
}
