// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// The opcodes of frames (RFC 6455 §5.2).
const (
	opContinuation byte = 0x0
	opText         byte = 0x1
	opBinary       byte = 0x2
	opClose        byte = 0x8
	opPing         byte = 0x9
	opPong         byte = 0xA
)

// The codes with which we close a WebSocket (RFC 6455 §7.4.1). 1012 is from the registry of §11.7.
const (
	codeNormal      uint16 = 1000
	codeProtocol    uint16 = 1002
	codeUnsupported uint16 = 1003
	codeNoStatus    uint16 = 1005 // never sent: the close frame was empty
	codeInvalidData uint16 = 1007
	codeTooBig      uint16 = 1009
	codeRestart     uint16 = 1012
)

const (
	maxControl   = 125  // bytes of a control frame's payload (RFC 6455 §5.5)
	maxFrameHead = 14   // bytes: two, eight of length, four of key
	guessHead    = 4    // bytes left free in front of a frame that is being written
	readChunk    = 4096 // a message's buffer grows by so much, whatever length its frame claims
)

// A frameError is a breach of RFC 6455 by the peer: the connection ends with code.
type frameError struct {
	code uint16
	text string
}

func (e *frameError) Error() string { return fmt.Sprintf("stream: websocket: %s (%d)", e.text, e.code) }

// A frameReader takes messages and control frames out of a connection (RFC 6455 §5). Where a read fails with a
// timeout, or would have to wait, everything read so far is kept, and next may be called again. It is used by one
// goroutine.
type frameReader struct {
	src    io.Reader
	masked bool // what the peer sends must be masked: it is a client

	buf  *[]byte // from the pool; nil where nothing was read that is not yet taken
	r, w int     // buf[r:w] is that

	inFrame bool    // the header of a frame was taken, and the three below hold it
	head    byte    // its first byte
	left    uint64  // bytes of its payload that are still to come
	key     [4]byte // its mask, turned so that the next byte uses key[0]
	control []byte  // the payload of a control frame, nil while there is none
	message *[]byte // the message put together so far, from the pool; nil between messages
	frames  int     // how many frames it has
}

// take gives the reader bytes that were read before it existed.
func (f *frameReader) take(b []byte) {
	if len(b) > 0 {
		f.buf = getBuffer()
		*f.buf = append(*f.buf, b...)
		f.w = len(b)
	}
}

// rest gives the buffer for reading back if nothing is in it.
func (f *frameReader) rest() {
	if f.buf != nil && f.r == f.w {
		putBuffer(f.buf)
		f.buf, f.r, f.w = nil, 0, 0
	}
}

// next returns the next text message or control frame. payload is valid until the next call; limit is what a
// message may have at most, in bytes, each of its frames counted as one byte more. It returns io.EOF only
// between two frames, and *frameError where the peer broke the protocol.
func (f *frameReader) next(limit int) (op byte, payload []byte, err error) {
	for {
		if !f.inFrame {
			if err := f.header(limit); err != nil {
				return 0, nil, err
			}
		}
		if err := f.payload(); err != nil {
			return 0, nil, err
		}
		f.inFrame = false
		op, fin := f.head&0x0f, f.head&0x80 != 0
		switch {
		case op >= opClose:
			return op, f.control, nil
		case fin:
			return opText, *f.message, nil
		}
	}
}

// release gives the buffer of the message that next returned last back.
func (f *frameReader) release() {
	putBuffer(f.message)
	f.message, f.frames = nil, 0
}

// header takes the header of a frame and checks it against what came before.
func (f *frameReader) header(limit int) error {
	h, size, err := f.peekHeader()
	if err != nil {
		return err
	}
	f.control = nil
	op, n := h[0]&0x0f, uint64(h[1]&0x7f)
	masked := h[1]&0x80 != 0
	switch {
	case h[0]&0x70 != 0: // RFC 6455 §5.2: no extension was negotiated
		return &frameError{codeProtocol, "a reserved bit is set"}
	case masked != f.masked: // RFC 6455 §5.1
		return &frameError{codeProtocol, "wrong masking"}
	case op >= opClose && (h[0]&0x80 == 0 || n > maxControl): // RFC 6455 §5.5
		return &frameError{codeProtocol, "a control frame is fragmented or too long"}
	}
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(h[2:]))
		if n < 126 { // RFC 6455 §5.2: the minimal number of bytes MUST be used
			return &frameError{codeProtocol, "a length is not minimal"}
		}
	case 127:
		n = binary.BigEndian.Uint64(h[2:])
		if n <= 0xffff || n>>63 != 0 {
			return &frameError{codeProtocol, "a length is not minimal"}
		}
	}
	switch op {
	case opClose, opPing, opPong:
		f.control = make([]byte, 0, n)
	case opBinary: // RFC 7395 §3.2
		return &frameError{codeUnsupported, "binary data"}
	case opText, opContinuation:
		if (op == opText) != (f.message == nil) { // RFC 6455 §5.4
			return &frameError{codeProtocol, "fragments out of order"}
		}
		if f.message == nil {
			f.message, f.frames = getBuffer(), 0
		}
		f.frames++
		if limit < 0 || n > uint64(limit) || len(*f.message)+f.frames-1+int(n) > limit {
			return &frameError{codeTooBig, "a message is too long"}
		}
	default: // RFC 6455 §5.2
		return &frameError{codeProtocol, "an unknown opcode"}
	}
	if masked {
		f.key = [4]byte(h[size-4:])
	}
	f.r += size
	f.head, f.left, f.inFrame = h[0], n, true
	return nil
}

// peekHeader returns the bytes of a frame's header, which stay in the buffer, and their number.
func (f *frameReader) peekHeader() (h []byte, size int, err error) {
	for {
		if f.buf == nil {
			f.buf = getBuffer()
		}
		buf := (*f.buf)[:cap(*f.buf)]
		h = buf[f.r:f.w]
		size = 2
		if len(h) >= 2 {
			switch h[1] & 0x7f {
			case 126:
				size += 2
			case 127:
				size += 8
			}
			if h[1]&0x80 != 0 {
				size += 4
			}
			if len(h) >= size {
				return h[:size], size, nil
			}
		}
		if f.r == f.w {
			f.r, f.w = 0, 0
		} else if f.r+maxFrameHead > len(buf) {
			f.w, f.r = copy(buf, h), 0
		}
		n, err := f.src.Read(buf[f.w:])
		f.w += n
		if n == 0 && err != nil {
			if err == io.EOF && (f.w > f.r || f.message != nil) {
				err = io.ErrUnexpectedEOF
			}
			return nil, 0, err
		}
	}
}

// payload reads what is left of the frame's payload.
func (f *frameReader) payload() error {
	dst := &f.control
	if f.control == nil {
		dst = f.message
	}
	for f.left > 0 {
		want := int(min(f.left, readChunk))
		at := len(*dst)
		*dst = slices.Grow(*dst, want)
		room := (*dst)[at : at+want]
		var n int
		var err error
		if f.r < f.w {
			n = copy(room, (*f.buf)[f.r:f.w])
			f.r += n
		} else if n, err = f.src.Read(room); n == 0 && err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if f.masked {
			f.key = mask(room[:n], f.key)
		}
		*dst = (*dst)[:at+n]
		f.left -= uint64(n)
	}
	return nil
}

// mask applies key to b (RFC 6455 §5.3) and returns the key for the bytes that follow.
func mask(b []byte, key [4]byte) [4]byte {
	k := binary.LittleEndian.Uint32(key[:])
	kk := uint64(k)<<32 | uint64(k)
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^kk)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= key[i&3]
	}
	binary.LittleEndian.PutUint32(key[:], bits.RotateLeft32(k, -8*(len(b)&3)))
	return key
}

// beginFrame leaves room for the header of a frame whose payload is appended to b next; at is for endFrame.
func beginFrame(b []byte) (_ []byte, at int) {
	return append(b, make([]byte, guessHead)...), len(b)
}

// endFrame writes the header of the frame that was begun at at, and masks the payload if masked.
func endFrame(b []byte, at int, op byte, masked bool) []byte {
	n := len(b) - at - guessHead
	size := 2
	switch {
	case n > 0xffff:
		size = 10
	case n > 125:
		size = 4
	}
	if masked {
		size += 4
	}
	if size > guessHead {
		b = append(b, make([]byte, size-guessHead)...)
	}
	copy(b[at+size:], b[at+guessHead:at+guessHead+n])
	b = b[:at+size+n]
	h := b[at : at+size]
	h[0] = 0x80 | op
	switch {
	case n > 0xffff:
		h[1] = 127
		binary.BigEndian.PutUint64(h[2:], uint64(n))
	case n > 125:
		h[1] = 126
		binary.BigEndian.PutUint16(h[2:], uint16(n))
	default:
		h[1] = byte(n)
	}
	if masked {
		h[1] |= 0x80
		key := [4]byte{}
		rand.Read(key[:]) // never fails
		copy(h[size-4:], key[:])
		mask(b[at+size:], key)
	}
	return b
}

// appendFrame appends a whole frame.
func appendFrame(b []byte, op byte, payload []byte, masked bool) []byte {
	b, at := beginFrame(b)
	return endFrame(append(b, payload...), at, op, masked)
}

// appendClose appends a close frame; codeNoStatus leaves it empty.
func appendClose(b []byte, code uint16, masked bool) []byte {
	if code == codeNoStatus {
		return appendFrame(b, opClose, nil, masked)
	}
	return appendFrame(b, opClose, binary.BigEndian.AppendUint16(nil, code), masked)
}

// closeCode reads the payload of a close frame (RFC 6455 §5.5.1).
func closeCode(payload []byte) (uint16, error) {
	if len(payload) == 0 {
		return codeNoStatus, nil
	}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return 0, &frameError{codeProtocol, "a close frame cannot be read"}
	}
	code := binary.BigEndian.Uint16(payload)
	switch { // RFC 6455 §7.4
	case code >= 3000 && code <= 4999, code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006:
		return code, nil
	}
	return 0, &frameError{codeProtocol, "a close code that nobody may send"}
}
