// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// RFC 6455 §5.7 has the first four as examples.
func TestFrameHeaders(t *testing.T) {
	t.Parallel()
	key := "\x37\xfa\x21\x3d"
	hello := "\x7f\x9f\x4d\x51\x58" // masked with key
	long := strings.Repeat("x", 300)
	tests := []struct {
		name    string
		in      string
		masked  bool
		op      byte
		payload string
		code    uint16 // of the error; 0 for none
	}{
		{"a message without mask", "\x81\x05Hello", false, opText, "Hello", 0},
		{"a masked message", "\x81\x85" + key + hello, true, opText, "Hello", 0},
		{"two fragments", "\x01\x03Hel\x80\x02lo", false, opText, "Hello", 0},
		{"a ping", "\x89\x05Hello", false, opPing, "Hello", 0},
		{"an empty ping", "\x89\x00", false, opPing, "", 0},
		{"two bytes of length", "\x81\x7e\x01\x2c" + long, false, opText, long, 0},
		{"an empty fragment", "\x01\x03Hel\x00\x00\x80\x02lo", false, opText, "Hello", 0},
		{"a ping between fragments comes first", "\x01\x03Hel\x89\x01!\x80\x02lo", false, opPing, "!", 0},
		{"a client must mask", "\x81\x05Hello", true, 0, "", codeProtocol},
		{"a server must not", "\x81\x85" + key + hello, false, 0, "", codeProtocol},
		{"a reserved bit", "\xc1\x05Hello", false, 0, "", codeProtocol},
		{"an opcode nobody knows", "\x83\x00", false, 0, "", codeProtocol},
		{"a control opcode nobody knows", "\x8b\x00", false, 0, "", codeProtocol},
		{"binary", "\x82\x01x", false, 0, "", codeUnsupported},
		{"a fragmented ping", "\x09\x00", false, 0, "", codeProtocol},
		{"a long ping", "\x89\x7e\x00\x80", false, 0, "", codeProtocol},
		{"a continuation of nothing", "\x80\x00", false, 0, "", codeProtocol},
		{"a message inside another", "\x01\x00\x81\x00", false, 0, "", codeProtocol},
		{"16 bits for a small length", "\x81\x7e\x00\x05Hello", false, 0, "", codeProtocol},
		{"64 bits for a small length", "\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05", false, 0, "", codeProtocol},
		{"the highest bit of 64", "\x81\x7f\x80\x00\x00\x00\x00\x01\x00\x00", false, 0, "", codeProtocol},
		{"more than the limit", "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", false, 0, "", codeTooBig},
		{"fragments above the limit", "\x01\x7e\x01\x2c" + long + "\x80\x7e\x01\x2c", false, 0, "", codeTooBig},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, src := range []io.Reader{strings.NewReader(test.in), iotest.OneByteReader(strings.NewReader(test.in))} {
				f := &frameReader{src: src, masked: test.masked}
				op, payload, err := f.next(500)
				if e, ok := errors.AsType[*frameError](err); ok || test.code != 0 {
					if !ok || e.code != test.code {
						t.Fatalf("got error %v, want code %d", err, test.code)
					}
					continue
				}
				if err != nil || op != test.op || string(payload) != test.payload {
					t.Fatalf("got %d %q %v, want %d %q", op, payload, err, test.op, test.payload)
				}
			}
		})
	}
}

// Endless empty fragments are not free.
func TestFrameEmptyFragments(t *testing.T) {
	t.Parallel()
	in := "\x01\x00" + strings.Repeat("\x00\x00", 1000)
	f := &frameReader{src: strings.NewReader(in)}
	_, _, err := f.next(100)
	if e, ok := errors.AsType[*frameError](err); !ok || e.code != codeTooBig {
		t.Fatalf("got %v, want %d", err, codeTooBig)
	}
}

func TestFrameEnds(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]error{
		"":             io.EOF,
		"\x81":         io.ErrUnexpectedEOF,
		"\x81\x05Hell": io.ErrUnexpectedEOF,
		"\x01\x01x":    io.ErrUnexpectedEOF,
		"\x89\x01":     io.ErrUnexpectedEOF,
	} {
		f := &frameReader{src: strings.NewReader(in)}
		if _, _, err := f.next(100); err != want {
			t.Errorf("%q: got %v, want %v", in, err, want)
		}
	}
}

// A timeout inside a frame loses nothing.
func TestFrameTimeout(t *testing.T) {
	t.Parallel()
	frame := appendFrame(nil, opText, []byte("<presence/>"), true)
	for cut := range frame {
		src := &stutter{parts: [][]byte{frame[:cut], nil, frame[cut:]}}
		f := &frameReader{src: src, masked: true}
		if _, _, err := f.next(100); err != errStutter {
			t.Fatalf("cut %d: got %v, want the timeout", cut, err)
		}
		_, payload, err := f.next(100)
		if err != nil || string(payload) != "<presence/>" {
			t.Fatalf("cut %d: got %q %v", cut, payload, err)
		}
	}
}

var errStutter = errors.New("timeout")

// stutter is a reader that returns parts one by one, and errStutter for a nil one.
type stutter struct{ parts [][]byte }

func (s *stutter) Read(p []byte) (int, error) {
	for {
		if len(s.parts) == 0 {
			return 0, io.EOF
		}
		part := s.parts[0]
		if part == nil {
			s.parts = s.parts[1:]
			return 0, errStutter
		}
		if len(part) == 0 {
			s.parts = s.parts[1:]
			continue
		}
		n := copy(p, part)
		s.parts[0] = part[n:]
		return n, nil
	}
}

func TestCloseCode(t *testing.T) {
	t.Parallel()
	tests := []struct {
		in   string
		code uint16 // 0: refused
	}{
		{"", codeNoStatus}, {"\x03\xe8", 1000}, {"\x03\xe8bye", 1000}, {"\x0b\xb8", 3000}, {"\x03\xf4", 1012},
		{"\x03", 0}, {"\x03\xe7", 0}, {"\x03\xed", 0}, {"\x03\xee", 0}, {"\x03\xf7", 0}, {"\xff\xff", 0}, {"\x03\xe8\xff", 0},
	}
	for _, test := range tests {
		got, err := closeCode([]byte(test.in))
		if got != test.code || (err == nil) != (test.code != 0) {
			t.Errorf("%q: got %d %v, want %d", test.in, got, err, test.code)
		}
	}
}

// Whatever comes in, the reader does not panic, hands out no more than the limit, and takes the same out of
// pieces of any size.
func FuzzFrameReader(f *testing.F) {
	f.Add([]byte("\x81\x05Hello"), false)
	f.Add([]byte("\x01\x03Hel\x89\x01!\x80\x02lo\x88\x02\x03\xe8"), false)
	f.Add(appendFrame(nil, opText, bytes.Repeat([]byte("abc"), 200), true), true)
	f.Fuzz(func(t *testing.T, in []byte, masked bool) {
		const limit = 1000
		type message struct {
			op      byte
			payload string
		}
		all := func(src io.Reader) (got []message, last string) {
			r := &frameReader{src: src, masked: masked}
			for {
				op, payload, err := r.next(limit)
				if err != nil {
					return got, err.Error()
				}
				if len(payload) > limit || op >= opClose && len(payload) > maxControl {
					t.Fatalf("%d bytes for opcode %d", len(payload), op)
				}
				got = append(got, message{op, string(payload)})
				if op < opClose {
					r.release()
				}
			}
		}
		a, aErr := all(bytes.NewReader(in))
		b, bErr := all(iotest.OneByteReader(bytes.NewReader(in)))
		if !slices.Equal(a, b) || aErr != bErr {
			t.Fatalf("at once: %q %s\nbyte by byte: %q %s", a, aErr, b, bErr)
		}
	})
}

// What is written is read again, in either direction and cut into fragments anywhere.
func FuzzFrameRoundTrip(f *testing.F) {
	f.Add([]byte("<message/>"), uint16(3), true)
	f.Add(bytes.Repeat([]byte("x"), 70000), uint16(65536/2), false)
	f.Add([]byte{}, uint16(0), true)
	f.Fuzz(func(t *testing.T, payload []byte, cut uint16, masked bool) {
		at := min(int(cut), len(payload))
		wire := appendFrame(nil, opText, payload, masked)
		first := len(wire)
		wire = appendFrame(wire, opText, payload[:at], masked)
		wire[first] &^= 0x80
		wire = appendFrame(wire, opPing, nil, masked)
		wire = appendFrame(wire, opContinuation, payload[at:], masked)

		r := &frameReader{src: bytes.NewReader(wire), masked: masked}
		for _, want := range []struct {
			op      byte
			payload []byte
		}{{opText, payload}, {opPing, nil}, {opText, payload}} {
			op, got, err := r.next(len(payload) + 1)
			if err != nil || op != want.op || !bytes.Equal(got, want.payload) {
				t.Fatalf("got %d %q %v, want %d %q", op, got, err, want.op, want.payload)
			}
			if op == opText {
				r.release()
			}
		}
		if _, _, err := r.next(1); err != io.EOF {
			t.Fatalf("got %v at the end", err)
		}
	})
}

func BenchmarkMask(b *testing.B) {
	buf := make([]byte, 1024)
	b.SetBytes(int64(len(buf)))
	for b.Loop() {
		mask(buf, [4]byte{1, 2, 3, 4})
	}
}
