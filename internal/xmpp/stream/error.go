// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"errors"
	"fmt"
	"io"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// nsErrors is the namespace of stream error conditions (RFC 6120 §4.9.2).
const nsErrors = "urn:ietf:params:xml:ns:xmpp-streams"

// An Error is a stream error that we send (RFC 6120 §4.9). As an error of Open, Read or StartTLS it is what the
// peer did wrong.
type Error struct {
	Condition string        // one of RFC 6120 §4.9.3, such as "policy-violation"
	Text      string        // in English, for who reads logs; "" for none
	App       xmlstream.Raw // a condition of an application (RFC 6120 §4.9.4); "" for none
}

func (e *Error) Error() string {
	if e.Text == "" {
		return "stream error " + e.Condition
	}
	return fmt.Sprintf("stream error %s: %s", e.Condition, e.Text)
}

// A PeerError is a stream error that the peer sent; it ends the stream (RFC 6120 §4.9.1.1).
type PeerError struct {
	Condition string // "undefined-condition" where the peer gave none
	Text      string
	Raw       xmlstream.Raw // the whole of it
}

func (e *PeerError) Error() string {
	return fmt.Sprintf("peer closed the stream: %s: %q", e.Condition, e.Text)
}

// ErrorFor returns the stream error with which a stream is to be closed on which err happened: nil where the
// peer's XML is not what was wrong, as with io.EOF, *PeerError and errors of the network.
func ErrorFor(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*xmlstream.SyntaxError](err); ok {
		return &Error{Condition: e.Condition, Text: e.Reason}
	}
	if e, ok := errors.AsType[*frameError](err); ok {
		switch e.code {
		case codeTooBig: // RFC 6120 §4.9.3.14
			return &Error{Condition: "policy-violation", Text: e.text}
		case codeUnsupported: // RFC 6120 §4.9.3.1
			return &Error{Condition: "bad-format", Text: e.text}
		}
	}
	return nil
}

// Lost reports whether a stream on which err happened was not ended by anybody: its connection is gone, and the stream
// may be resumed (XEP-0198 §5). It is not lost where the peer ended it, or broke a rule.
func Lost(err error) bool {
	if err == nil || errors.Is(err, io.EOF) || ErrorFor(err) != nil {
		return false
	}
	_, said := errors.AsType[*PeerError](err)
	_, broke := errors.AsType[*frameError](err)
	return !said && !broke
}

// append appends the error as an element; declare says whether to bind the prefix.
func (e *Error) append(b []byte, declare bool) []byte {
	b = append(b, "<stream:error"...)
	if declare {
		b = append(b, ` xmlns:stream="`+xmlstream.NSStreams+`"`...)
	}
	b = append(b, "><"+e.Condition+` xmlns="`+nsErrors+`"/>`...)
	if e.Text != "" {
		b = append(b, `<text xmlns="`+nsErrors+`" xml:lang="en">`...)
		b = xmlstream.AppendEscaped(b, e.Text)
		b = append(b, "</text>"...)
	}
	b = append(b, e.App...)
	return append(b, "</stream:error>"...)
}

// peerError reads a stream error.
func peerError(n xmlstream.Node) *PeerError {
	e := &PeerError{Condition: "undefined-condition", Raw: n.Raw()} // RFC 6120 §4.9.2
	for child := range n.Children() {
		switch name := child.Name(); {
		case name.Space != nsErrors:
		case name.Local == "text":
			e.Text = child.Text()
		default:
			e.Condition = name.Local
		}
	}
	return e
}
