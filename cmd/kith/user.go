// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/internal/terminal"
)

type userCommand struct {
	Add     userAddCommand     `cmd:"" help:"Make an account. The password is asked for, or read from the standard input."`
	List    userListCommand    `cmd:"" help:"List all accounts."`
	Passwd  userPasswdCommand  `cmd:"" help:"Set a password, asked for or read from the standard input. All apps of the account have to log in anew."`
	Disable userDisableCommand `cmd:"" help:"Keep an account out. What it owns stays."`
	Enable  userEnableCommand  `cmd:"" help:"Let a disabled account in again."`
	Delete  userDeleteCommand  `cmd:"" help:"Delete an account and everything it owns. Nobody gets the name again."`
}

// A userArg is the account that a command is about.
type userArg struct {
	Name string `arg:"" help:"The name, as juliet; the whole address will do."`
}

// local returns the name without the domain, which has to be ours.
func (u userArg) local(c config.Config) (string, error) {
	name, domain, whole := strings.Cut(u.Name, "@")
	if whole && !strings.EqualFold(domain, c.Domain) {
		return "", usageError{fmt.Errorf("%s is no address of this server, which is %s", terminal.Printable(u.Name), c.Domain)}
	}
	return name, nil
}

type userAddCommand struct {
	userArg
	roleFlags
}

func (u userAddCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	role, err := u.chosen()
	if err != nil {
		return err
	}
	return p.administer(ctx, line, true, func(c config.Config, a control.Admin) error {
		name, err := u.local(c)
		if err != nil {
			return err
		}
		password, err := p.newPassword(ctx, name+"@"+c.Domain)
		if err != nil {
			return err
		}
		if err := a.AddUser(ctx, control.NewUser{Name: name, Password: password, Role: role}); err != nil {
			return err
		}
		return p.say("Made %s@%s.", name, c.Domain)
	})
}

// roleFlags are the two ways to name a role.
type roleFlags struct {
	Role  string `placeholder:"ROLE" help:"What the new account may do: admin, user or limited; user if not said."`
	Admin bool   `help:"Short for --role=admin."`
}

// chosen returns the role that was named, or the usual one.
func (r roleFlags) chosen() (account.Role, error) {
	switch {
	case r.Admin && r.Role != "":
		return "", usageError{errors.New("--role and --admin can't be used together")}
	case r.Admin:
		return account.Admin, nil
	case r.Role == "":
		return account.User, nil
	}
	role, err := account.ParseRole(r.Role)
	if err != nil {
		return "", usageError{fmt.Errorf("--role must be admin, user or limited, not %q", r.Role)}
	}
	return role, nil
}

type userListCommand struct{}

// pageSize is how many accounts are fetched at once.
const pageSize = 500

func (userListCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	return p.administer(ctx, line, false, func(_ config.Config, a control.Admin) error {
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tROLE\tSINCE\t")
		after := ""
		for {
			list, err := a.ListUsers(ctx, after, pageSize)
			if err != nil {
				return err
			}
			for _, u := range list {
				state := ""
				if u.Disabled {
					state = "disabled"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", terminal.Printable(u.Name), u.Role, u.Created.Local().Format(dateTime), state)
				after = u.Name
			}
			if len(list) < pageSize {
				return w.Flush()
			}
		}
	})
}

// dateTime is how instants are shown.
const dateTime = "2006-01-02 15:04"

type userPasswdCommand struct{ userArg }

func (u userPasswdCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	return p.administer(ctx, line, false, func(c config.Config, a control.Admin) error {
		name, err := u.local(c)
		if err != nil {
			return err
		}
		password, err := p.newPassword(ctx, name+"@"+c.Domain)
		if err != nil {
			return err
		}
		if err := a.SetPassword(ctx, name, password); err != nil {
			return err
		}
		return p.say("Changed the password of %s@%s.", name, c.Domain)
	})
}

type userDisableCommand struct{ userArg }

func (u userDisableCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	return u.set(ctx, p, line, true, "Disabled %s@%s.")
}

type userEnableCommand struct{ userArg }

func (u userEnableCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	return u.set(ctx, p, line, false, "Enabled %s@%s.")
}

func (u userArg) set(ctx context.Context, p *program, line *commandLine, disabled bool, done string) error {
	return p.administer(ctx, line, false, func(c config.Config, a control.Admin) error {
		name, err := u.local(c)
		if err != nil {
			return err
		}
		if err := a.SetDisabled(ctx, name, disabled); err != nil {
			return err
		}
		return p.say(done, name, c.Domain)
	})
}

type userDeleteCommand struct {
	userArg
	Yes bool `short:"y" help:"Do not ask."`
}

func (u userDeleteCommand) Run(ctx context.Context, p *program, line *commandLine) error {
	return p.administer(ctx, line, false, func(c config.Config, a control.Admin) error {
		name, err := u.local(c)
		if err != nil {
			return err
		}
		if !u.Yes {
			if err := p.confirm(ctx, fmt.Sprintf("Delete %s@%s with all its messages and contacts? It cannot be undone.", name, c.Domain)); err != nil {
				return err
			}
		}
		if err := a.DeleteUser(ctx, name); err != nil {
			return err
		}
		return p.say("Deleted %s@%s.", name, c.Domain)
	})
}

// say tells the person what was done. Scripts, which read the exit code, get it on the standard error, too.
func (p *program) say(format string, args ...any) error {
	_, err := fmt.Fprintf(p.errors, format+"\n", args...)
	return err
}

// confirm asks a person for a yes.
func (p *program) confirm(ctx context.Context, question string) error {
	if !p.terminal {
		return usageError{errors.New("this cannot be undone; say --yes if you mean it")}
	}
	answer, err := terminal.Ask(ctx, p.in, p.errors, question+" [y/N] ")
	if err != nil {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("nothing was done")
	}
	return nil
}

// newPassword asks a person twice for the password of address, or reads a line.
func (p *program) newPassword(ctx context.Context, address string) (string, error) {
	if !p.terminal {
		s, err := terminal.ReadLine(p.in)
		if errors.Is(err, terminal.ErrNoLine) {
			return "", errors.New("the standard input has no password")
		}
		return s, err
	}
	first, err := terminal.AskSecret(ctx, p.in, p.errors, "Password for "+terminal.Printable(address)+": ")
	if err != nil {
		return "", err
	}
	again, err := terminal.AskSecret(ctx, p.in, p.errors, "Once more: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", errors.New("these were two passwords; nothing was done")
	}
	return first, nil
}
