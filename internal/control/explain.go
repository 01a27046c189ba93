// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/report"
)

// An explanation is how the person at the terminal hears of an error of a service.
type explanation struct {
	err        error
	code, text string
}

// explanations of the errors that commands meet. The texts speak of what was typed.
var explanations = []explanation{
	{account.ErrUnknown, "unknown", "There is no user of that name"},
	{account.ErrTaken, "taken", "That name is taken; names of deleted users are never given again"},
	{account.ErrLastAdmin, "last-admin", "That is the last admin; make another one first"},
	{account.ErrRole, CodeBadRequest, "The role is none of admin, user, limited"},
	{invite.ErrUnknown, "unknown", "There is no such invitation, or it ended long ago"},
	{report.ErrUnknown, "unknown", "There is no such report"},
	{invite.ErrRequest, CodeBadRequest, "No such invitation can be made: 1 to 1000 uses, a year at most, a note of 1000 bytes at most"},
	{db.ErrLocked, "locked", "Another kith works on the data folder; try again when it is done"},
}

// nameProblems and passwordProblems word the rules that a name or a password breaks.
var (
	nameProblems = map[account.NameReason]string{
		account.NameEmpty:      "The name is empty",
		account.NameTooLong:    "The name is longer than 64 characters",
		account.NameCharacters: "A name has letters, digits and . _ - + between them, nothing else",
		account.NameMixed:      "The name mixes letters of scripts that look alike",
		account.NameReserved:   "That name is only for admins",
	}
	passwordProblems = map[account.PasswordReason]string{
		account.PasswordShort:      "The password is shorter than 10 characters",
		account.PasswordLong:       "The password is longer than 1024 bytes",
		account.PasswordHasName:    "The password contains the name",
		account.PasswordCharacters: "The password has a character that passwords cannot have",
	}
)

// Explain words err for the person at the terminal, who may see everything: what it does not know, it shows as it is.
func Explain(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*account.NameError](err); ok {
		return &Error{"bad-name", nameProblems[e.Reason]}
	}
	if e, ok := errors.AsType[*account.PasswordError](err); ok {
		return &Error{"bad-password", passwordProblems[e.Reason]}
	}
	for _, e := range explanations {
		if errors.Is(err, e.err) {
			return &Error{e.code, e.text}
		}
	}
	return &Error{CodeFailed, err.Error()}
}
