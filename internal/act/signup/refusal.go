// SPDX-License-Identifier: Apache-2.0

package signup

import (
	"errors"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// Refusal is what an XMPP client is told of an error of Do, Look or Invite, in words for its user; nil where the fault is ours.
// What became of an invitation is told as far as its page tells it.
func Refusal(err error) *stanza.Error {
	if e, ok := errors.AsType[*account.NameError](err); ok { // XEP-0077 §3.1
		return stanza.NotAcceptable.WithText(nameText(e.Reason))
	}
	if e, ok := errors.AsType[*account.PasswordError](err); ok {
		return stanza.NotAcceptable.WithText(passwordText(e.Reason))
	}
	switch {
	case errors.Is(err, account.ErrTaken), errors.Is(err, invite.ErrKept): // XEP-0077 §3.1
		return stanza.Conflict.WithText("Somebody has this name already.")
	case errors.Is(err, invite.ErrName): // XEP-0445 §2.1
		return stanza.NotAcceptable.WithText("This invitation is for another name.")
	case errors.Is(err, invite.ErrUnknown): // XEP-0445 §4
		return stanza.ItemNotFound.WithText("This invitation is not known.")
	case errors.Is(err, invite.ErrExpired):
		return stanza.ItemNotFound.WithText("This invitation has ended. Please ask for a new one.")
	case errors.Is(err, invite.ErrUsed):
		return stanza.ItemNotFound.WithText("This invitation has been used. Please ask for a new one.")
	case errors.Is(err, invite.ErrRevoked):
		return stanza.ItemNotFound.WithText("This invitation was taken back.")
	}
	return nil
}

func nameText(r account.NameReason) string {
	switch r {
	case account.NameEmpty:
		return "Please choose a name."
	case account.NameTooLong:
		return "This name is too long."
	case account.NameMixed:
		return "This name mixes letters of different alphabets. Please use one only."
	case account.NameReserved:
		return "This name is kept for the server. Please choose another one."
	}
	return "This name does not work. Please use letters and digits; dots and dashes may stand between them."
}

func passwordText(r account.PasswordReason) string {
	switch r {
	case account.PasswordShort:
		// COMPAT(Conversations): it knows a password that is too weak by this very sentence, and says so to its user.
		return "Please use a longer password."
	case account.PasswordLong:
		return "This password is too long."
	case account.PasswordHasName:
		return "This password contains the name. Please choose one that nobody can guess."
	}
	return "This password has characters that do not work in one. Please choose another one."
}
