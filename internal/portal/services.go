// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"context"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/invite"
)

// Accounts is what the portal asks about names and passwords; *account.Service is one.
type Accounts interface {
	// CheckName returns a name as it is kept, or a *account.NameError.
	CheckName(name string, role account.Role) (string, error)
	// Free reports whether nobody has, or had, a name that CheckName returned.
	Free(ctx context.Context, name string) (bool, error)
	// Lookup returns account.ErrUnknown for a name that nobody has.
	Lookup(ctx context.Context, name string) (account.Account, error)
	// CheckPassword returns an error where name and password do not belong together.
	CheckPassword(ctx context.Context, name, password string) (account.Account, error)
}

// Invitations is what the portal asks about invitations; *invite.Service is one.
type Invitations interface {
	// Look returns invite.ErrUnknown, or the invitation beside the error that says why it is over.
	Look(ctx context.Context, t invite.Token) (invite.Invite, error)
	// Kept reports whether a name is kept for somebody who was invited.
	Kept(ctx context.Context, name string) (bool, error)
	// UsedBy returns the accounts that came by an invitation.
	UsedBy(ctx context.Context, id int64) ([]int64, error)
}

// SignUp makes accounts, by package act/signup.
type SignUp interface {
	// SignUp makes the account, uses the invitation, makes the contacts and a one-time code, all or nothing. It returns
	// the errors of package account for name and password, and those of package invite for the invitation.
	SignUp(ctx context.Context, t invite.Token, name, password string) (account.Account, string, error)
	// Code makes another one-time code for an account.
	Code(ctx context.Context, id int64) (string, error)
}
