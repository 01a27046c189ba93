// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package control

import (
	"net"
	"os"
)

// peer trusts the mode of the socket's file, which these systems honour: who could connect is who we are, or root.
func peer(*net.UnixConn) (uid int, err error) { return os.Geteuid(), nil }
