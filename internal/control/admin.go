// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"encoding/json"
	"time"

	"github.com/kith-im/kith/internal/account"
)

// An Admin is what the commands do to a server: to the one that runs, through Client, or to its data folder while none
// runs, which internal/app opens. Names of users are localparts, "juliet". Errors are worded by Explain.
type Admin interface {
	AddUser(ctx context.Context, u NewUser) error
	// ListUsers returns up to limit users in the order of their names, beginning after the name after.
	ListUsers(ctx context.Context, after string, limit int) ([]User, error)
	// SetPassword also ends all sessions of the user.
	SetPassword(ctx context.Context, name, password string) error
	// SetDisabled keeps the user out, or lets it in again; what it owns stays.
	SetDisabled(ctx context.Context, name string, disabled bool) error
	// DeleteUser removes the user and everything it owns. Nobody gets the name again.
	DeleteUser(ctx context.Context, name string) error

	CreateInvite(ctx context.Context, r InviteRequest) (Invite, error)
	// ListInvites returns the invitations that can still be used, oldest first.
	ListInvites(ctx context.Context) ([]Invite, error)
	// RevokeInvite makes the invitation with that id useless.
	RevokeInvite(ctx context.Context, id string) error

	// ListReports returns up to limit reports of people, the latest first, beginning behind the one with the id before;
	// "" means the latest.
	ListReports(ctx context.Context, before string, limit int) ([]Report, error)
	// RemoveReport removes the report with that id, which is dealt with.
	RemoveReport(ctx context.Context, id string) error

	// Close ends the use of the Admin.
	Close() error
}

// NewUser is an account to make.
type NewUser struct {
	Name     string       `json:"name"`
	Password string       `json:"password"`
	Role     account.Role `json:"role"`
}

// User is an account as a list shows it.
type User struct {
	Name     string       `json:"name"`
	Role     account.Role `json:"role"`
	Disabled bool         `json:"disabled,omitempty"`
	Created  time.Time    `json:"created"`
}

// InviteRequest is an invitation to make. It comes from the server, not from a person, so nobody becomes anybody's
// contact by it.
type InviteRequest struct {
	Role account.Role  `json:"role"` // of the accounts made with it
	Uses int           `json:"uses"` // how many accounts may be made with it, 1 or more
	TTL  time.Duration `json:"ttl"`  // how long it can be used
	Note string        `json:"note"` // for the list; those invited do not see it
}

// Invite is an invitation as a list shows it.
type Invite struct {
	ID      string       `json:"id"`
	URL     string       `json:"url"` // the page to open
	Role    account.Role `json:"role"`
	Inviter string       `json:"inviter,omitempty"` // the user who invites; "" for the server
	Note    string       `json:"note,omitempty"`
	Uses    int          `json:"uses"` // how many accounts may be made in all
	Used    int          `json:"used"` // how many have been
	Created time.Time    `json:"created"`
	Expires time.Time    `json:"expires"`
}

// Report is what somebody said of somebody else, as a list shows it.
type Report struct {
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	Reporter   string    `json:"reporter"`         // the user
	Reported   string    `json:"reported"`         // an address
	Reason     string    `json:"reason"`           // "spam", "abuse" or a URN
	Words      string    `json:"words,omitempty"`  // of the reporter
	Origin     bool      `json:"origin,omitempty"` // the reporter agrees that the other's server is told
	ThirdParty bool      `json:"third_party,omitempty"`
	Messages   []string  `json:"messages,omitempty"` // stanzas, as far as there are copies
}

// HandleAdmin answers the calls of Client by a.
func (s *Server) HandleAdmin(a Admin) {
	s.Handle("user.add", act(a.AddUser))
	s.Handle("user.list", ask(func(ctx context.Context, in pageOf) ([]User, error) { return a.ListUsers(ctx, in.After, in.Limit) }))
	s.Handle("user.passwd", act(func(ctx context.Context, in passwordOf) error { return a.SetPassword(ctx, in.Name, in.Password) }))
	s.Handle("user.disable", act(func(ctx context.Context, in disabledOf) error { return a.SetDisabled(ctx, in.Name, in.Disabled) }))
	s.Handle("user.delete", act(a.DeleteUser))
	s.Handle("invite.create", ask(a.CreateInvite))
	s.Handle("invite.list", ask(func(ctx context.Context, _ struct{}) ([]Invite, error) { return a.ListInvites(ctx) }))
	s.Handle("invite.revoke", act(a.RevokeInvite))
	s.Handle("report.list", ask(func(ctx context.Context, in pageOf) ([]Report, error) { return a.ListReports(ctx, in.After, in.Limit) }))
	s.Handle("report.remove", act(a.RemoveReport))
}

// What calls take that have more than one argument.
type (
	pageOf struct {
		After string `json:"after"`
		Limit int    `json:"limit"`
	}
	passwordOf struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}
	disabledOf struct {
		Name     string `json:"name"`
		Disabled bool   `json:"disabled"`
	}
)

// ask makes a Func of a function with plain types.
func ask[In, Out any](f func(context.Context, In) (Out, error)) Func {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var in In
		if err := json.Unmarshal(raw, &in); err != nil {
			return nil, &Error{CodeBadRequest, "The request is not what the call takes: " + err.Error()}
		}
		return f(ctx, in)
	}
}

// act is ask for a function that only succeeds or fails.
func act[In any](f func(context.Context, In) error) Func {
	return ask(func(ctx context.Context, in In) (struct{}, error) { return struct{}{}, f(ctx, in) })
}

// Client is an Admin that asks the server behind a socket: its value is the socket's path. Its methods return
// ErrNotRunning where no server listens.
type Client string

var _ Admin = Client("")

// AddUser implements Admin, as do all the methods below.
func (c Client) AddUser(ctx context.Context, u NewUser) error {
	return Call(ctx, string(c), "user.add", u, nil)
}

func (c Client) ListUsers(ctx context.Context, after string, limit int) (list []User, err error) {
	err = Call(ctx, string(c), "user.list", pageOf{after, limit}, &list)
	return list, err
}

func (c Client) SetPassword(ctx context.Context, name, password string) error {
	return Call(ctx, string(c), "user.passwd", passwordOf{name, password}, nil)
}

func (c Client) SetDisabled(ctx context.Context, name string, disabled bool) error {
	return Call(ctx, string(c), "user.disable", disabledOf{name, disabled}, nil)
}

func (c Client) DeleteUser(ctx context.Context, name string) error {
	return Call(ctx, string(c), "user.delete", name, nil)
}

func (c Client) CreateInvite(ctx context.Context, r InviteRequest) (i Invite, err error) {
	err = Call(ctx, string(c), "invite.create", r, &i)
	return i, err
}

func (c Client) ListInvites(ctx context.Context) (list []Invite, err error) {
	err = Call(ctx, string(c), "invite.list", struct{}{}, &list)
	return list, err
}

func (c Client) RevokeInvite(ctx context.Context, id string) error {
	return Call(ctx, string(c), "invite.revoke", id, nil)
}

func (c Client) ListReports(ctx context.Context, before string, limit int) (list []Report, err error) {
	err = Call(ctx, string(c), "report.list", pageOf{before, limit}, &list)
	return list, err
}

func (c Client) RemoveReport(ctx context.Context, id string) error {
	return Call(ctx, string(c), "report.remove", id, nil)
}

// Close has nothing to do: each call has a connection of its own.
func (c Client) Close() error { return nil }
