// SPDX-License-Identifier: Apache-2.0

package terminal

import "golang.org/x/sys/unix"

const (
	getState = unix.TCGETS
	setState = unix.TCSETS
)
