// SPDX-License-Identifier: Apache-2.0

//go:build unix

package terminal

import "golang.org/x/sys/unix"

// state returns how the terminal behind fd is set; an error if there is none.
func state(fd int) (*unix.Termios, error) { return unix.IoctlGetTermios(fd, getState) }

// hide has the terminal not show what is typed; lines and signals go on as they do.
func hide(fd int, before *unix.Termios) error {
	t := *before
	t.Lflag &^= unix.ECHO
	t.Lflag |= unix.ICANON | unix.ISIG
	t.Iflag |= unix.ICRNL
	return unix.IoctlSetTermios(fd, setState, &t)
}

// restore sets the terminal as it was.
func restore(fd int, before *unix.Termios) {
	_ = unix.IoctlSetTermios(fd, setState, before) // the terminal is gone; nobody sees how it is set
}
