// SPDX-License-Identifier: Apache-2.0

//go:build tlsdrop

package stream

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"sync"
	"unsafe"
)

// tlsBuffers are the offsets of the two buffers in a tls.Conn, for what was received and for messages of the handshake.
// Both grow to what was largest and stay so. ok is false where crypto/tls does not have them as we know them: then
// nothing is dropped.
var tlsBuffers = sync.OnceValues(func() (at [2]uintptr, ok bool) {
	t := reflect.TypeFor[tls.Conn]()
	for i, name := range [...]string{"rawInput", "hand"} {
		f, found := t.FieldByName(name)
		if !found || f.Type != reflect.TypeFor[bytes.Buffer]() {
			return at, false
		}
		at[i] = f.Offset
	}
	return at, true
})

// dropBuffers takes the empty ones of t's read buffers away. No Read is in progress, and the last one was blocked: so
// nobody else looks at them, and what a Read has returned is not in them.
func dropBuffers(t *tls.Conn) {
	at, ok := tlsBuffers()
	if !ok {
		return
	}
	for _, offset := range at {
		if b := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(t), offset)); b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
}
