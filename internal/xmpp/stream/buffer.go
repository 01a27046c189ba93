// SPDX-License-Identifier: Apache-2.0

package stream

import "sync"

// maxPooled is the capacity up to which a buffer goes back to the pool, in bytes.
const maxPooled = 64 << 10

// buffers holds scratch space for what is read and written. It is a package variable because what lies in it
// belongs to no stream and no server.
var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, readChunk)) }}

// getBuffer returns an empty buffer.
func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

// putBuffer takes a buffer back, whose bytes nobody uses any more.
func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
