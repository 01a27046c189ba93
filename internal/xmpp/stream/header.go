// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"crypto/rand"
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A Header is what a stream header says (RFC 6120 §4.7). "" is an attribute that is not there.
type Header struct {
	From, To, ID, Lang, Version string // a Lang that cannot be one is not there
	NS                          string // the content namespace; "" where each element declares its own
}

// Open reads the peer's header and checks its namespaces and version. With the errors of a header that was read,
// *Error invalid-namespace, unsupported-version or bad-format (RFC 6120 §4.9.3), comes the header as it was; its
// addresses are the caller's to judge. Other errors are as for Read.
func (s *Stream) Open() (Header, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	tok, err := s.token()
	if err != nil {
		return Header{}, err
	}
	if tok.Kind == xmlstream.Close {
		return Header{}, s.endOfPeer()
	}
	root := tok.Element.Root()
	if tok.Kind == xmlstream.Child {
		return Header{}, s.end(notHeader(root))
	}
	h := Header{
		From: root.Attr("from"), To: root.Attr("to"), ID: root.Attr("id"), Version: root.Attr("version"),
		Lang: language(root.AttrNS(xmlstream.NSXML, "lang")),
		NS:   xmlstream.NSClient, // RFC 7395 has no other
	}
	if !s.IsWebSocket() {
		if h.NS = s.parser.Content(); h.NS == xmlstream.NSStreams { // RFC 6120 §4.8.2: prefix-free
			h.NS = ""
		}
	}
	s.writing.Lock()
	s.peer, s.version = h.From, common(h.Version)
	s.writing.Unlock()
	if err := s.check(root, h); err != nil {
		return h, s.end(err)
	}
	return h, nil
}

// language returns tag if it has the form of one: letters and digits, at most eight in a row (RFC 6120 §4.7.4). Else it
// is as if there were none.
func language(tag string) string {
	run := 0
	for i, c := range []byte(tag) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9' && i > 0:
			run++
		case c == '-' && run > 0:
			run = 0
		default:
			return ""
		}
		if run > 8 {
			return ""
		}
	}
	if run == 0 {
		return ""
	}
	return tag
}

// notHeader is the error for a WebSocket whose first message is no header.
func notHeader(root xmlstream.Node) *Error {
	if root.Name().Local == "open" { // RFC 7395 §3.3.2
		return &Error{Condition: "invalid-namespace"}
	}
	return &Error{Condition: "bad-format", Text: "the first message must be <open/>"} // RFC 7395 §3.4
}

func (s *Stream) check(root xmlstream.Node, h Header) error {
	if !s.IsWebSocket() {
		switch name := root.Name(); {
		case name.Space != xmlstream.NSStreams: // RFC 6120 §4.8.1
			return &Error{Condition: "invalid-namespace"}
		case name.Local != "stream":
			return &Error{Condition: "bad-format", Text: "the root must be <stream/>"}
		case h.NS != "" && h.NS != s.o.NS: // RFC 6120 §4.8.3
			return &Error{Condition: "invalid-namespace", Text: "this stream carries " + s.o.NS}
		}
	}
	if s.o.NS == xmlstream.NSComponent { // XEP-0114 §3: older than versions
		return nil
	}
	if n, _ := major(h.Version); n < 1 { // RFC 6120 §4.7.5: without a version it is 0.9
		return &Error{Condition: "unsupported-version"}
	}
	return nil
}

// ours is the version of XMPP that we speak (RFC 6120 §4.7.5).
const ours = "1.0"

// major returns the first number of a version; ok is false where it is none.
func major(version string) (n int, ok bool) {
	first, minor, ok := strings.Cut(version, ".")
	v, err := strconv.ParseUint(first, 10, 16)
	if _, bad := strconv.ParseUint(minor, 10, 16); !ok || err != nil || bad != nil {
		return 0, false
	}
	return int(v), true
}

// common returns the lower one of a peer's version and ours, "" for a peer that has none: it does not know what that is
// (RFC 6120 §4.7.5).
func common(peer string) string {
	switch n, ok := major(peer); {
	case !ok:
		return ""
	case n < 1:
		return peer
	}
	return ours
}

// Reply sends our header. Fields of h that are "" become our domain, the bare address that the peer gave as its own
// (RFC 6120 §4.7.2), a new unpredictable id (§4.7.3), en, the version that both know and our content namespace.
func (s *Stream) Reply(h Header) error {
	if h.ID == "" {
		h.ID = rand.Text()
	}
	if h.To == "" {
		s.writing.Lock()
		h.To = bare(s.peer)
		s.writing.Unlock()
	}
	return s.Send(h)
}

// Send is Reply for a client: it sends the initial header, which has no id.
func (s *Stream) Send(h Header) error {
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = s.appendHeader(*buf, h)
	if err := s.send(*buf); err != nil {
		return err
	}
	s.writing.Lock()
	s.opened = true
	s.writing.Unlock()
	return nil
}

func (s *Stream) appendHeader(b []byte, h Header) []byte {
	if h.From == "" {
		h.From = s.o.From
	}
	if h.Version == "" {
		h.Version = s.version
	}
	if h.Lang == "" {
		h.Lang = "en"
	}
	if h.NS == "" {
		h.NS = s.o.NS
	}
	b, at := s.begin(b)
	if s.IsWebSocket() {
		b = append(b, `<open xmlns="`+xmlstream.NSFraming+`"`...)
	} else { // RFC 6120 §11.5
		b = append(b, `<?xml version="1.0"?><stream:stream xmlns="`+h.NS+`" xmlns:stream="`+xmlstream.NSStreams+`"`...)
	}
	for _, a := range [...][2]string{
		{"from", h.From}, {"to", h.To}, {"id", h.ID}, {"version", h.Version}, {"xml:lang", h.Lang},
	} {
		if a[1] != "" {
			b = append(b, " "+a[0]+`="`...)
			b = xmlstream.AppendEscaped(b, a[1])
			b = append(b, '"')
		}
	}
	if s.IsWebSocket() {
		b = append(b, '/')
	}
	return s.finish(append(b, '>'), at)
}

// Restart forgets the stream in both directions but not the connection (RFC 6120 §4.3.3); Open and Reply come next.
// What the peer has already sent of its new stream is kept.
func (s *Stream) Restart() {
	s.reading.Lock()
	if s.parser != nil {
		s.parser.Reset()
	}
	s.reading.Unlock()
	s.writing.Lock()
	s.opened, s.peer, s.version = false, "", ours
	s.writing.Unlock()
}

// SetLimits replaces the limits on what is read, for instance after authentication.
func (s *Stream) SetLimits(l xmlstream.Limits) {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.limits = l
	if s.parser != nil {
		s.parser.SetLimits(l)
	}
}

// bare returns the bare form of an address that a peer gave, "" where it is none.
func bare(address string) string {
	j, err := jid.Parse(address)
	if err != nil {
		return ""
	}
	return j.Bare().String()
}
