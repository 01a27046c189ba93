// SPDX-License-Identifier: Apache-2.0

//go:build darwin || freebsd || netbsd || openbsd

package terminal

import "golang.org/x/sys/unix"

const (
	getState = unix.TIOCGETA
	setState = unix.TIOCSETA
)
