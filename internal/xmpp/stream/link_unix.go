// SPDX-License-Identifier: Apache-2.0

//go:build unix

package stream

import (
	"io"
	"os"
	"syscall"
)

// canAsk says that sockets tell whether they would have to wait: all of Go's are opened so.
const canAsk = true

// receive reads once; errBlocked where that would have to wait.
func receive(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, errBlocked
		case err == syscall.ETIMEDOUT: // the system has given the peer up; no deadline of ours was met
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// send writes what the socket takes now; errBlocked where that is not all.
func send(fd uintptr, p []byte) (n int, err error) {
	for n < len(p) {
		m, err := syscall.Write(int(fd), p[n:])
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return n, errBlocked
		case err != nil:
			return n, os.NewSyscallError("write", err)
		default:
			n += m
		}
	}
	return n, nil
}

// readable says whether receive would not have to wait.
func readable(fd uintptr) bool {
	var b [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		if err != syscall.EINTR {
			return err != syscall.EAGAIN
		}
	}
}
