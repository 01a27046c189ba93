// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// longestPath is how long a socket's path may be; the kernels have room for 104 to 108 bytes.
const longestPath = 100

// shorten returns a name for path that is short enough for a socket. If dir is not nil, the name goes through it and
// holds while it is open.
func shorten(path string) (address string, dir *os.File, err error) {
	if len(path) <= longestPath || runtime.GOOS != "linux" {
		return path, nil, nil
	}
	dir, err = os.Open(filepath.Dir(path))
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), dir, nil
}

// restrict takes the socket away from everybody but its owner. Systems that know no mode of a nameless socket refuse it,
// which is no harm: Listen sets the mode of the file as well, and serve asks who connects.
func restrict(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}

// isNobody reports whether a dial failed because no server listens.
func isNobody(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}
