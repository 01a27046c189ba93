// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package stream

// canAsk says that no socket tells whether it would have to wait: readers wait with a buffer.
const canAsk = false

func receive(uintptr, []byte) (int, error) { return 0, errBlocked }
func send(uintptr, []byte) (int, error)    { return 0, errBlocked }
func readable(uintptr) bool                { return true }
