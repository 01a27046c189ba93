// SPDX-License-Identifier: Apache-2.0

package bosh

import (
	"net/http"
	"strconv"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A condition is why a session ended that should not have (XEP-0124 §17.2).
type condition string

const (
	badRequest             condition = "bad-request"
	hostUnknown            condition = "host-unknown"
	improperAddressing     condition = "improper-addressing"
	internalServerError    condition = "internal-server-error"
	itemNotFound           condition = "item-not-found"
	policyViolation        condition = "policy-violation"
	remoteConnectionFailed condition = "remote-connection-failed"
	remoteStreamError      condition = "remote-stream-error"
	systemShutdown         condition = "system-shutdown"
)

// status is what HTTP says of a condition, to clients that understand nothing else (XEP-0124 §17.1).
func (c condition) status(legacy bool) int {
	if legacy {
		switch c {
		case badRequest:
			return http.StatusBadRequest
		case policyViolation:
			return http.StatusForbidden
		case itemNotFound:
			return http.StatusNotFound
		}
	}
	return http.StatusOK
}

// An answer is what a request gets.
type answer struct {
	status  int
	content string // its type
	body    string
}

// A body is the <body/> of an answer while it is made.
type body struct{ start, inside []byte }

func newBody() *body { return &body{start: []byte(`<body xmlns="` + nsBody + `"`)} }

// attr adds an attribute.
func (b *body) attr(name, value string) *body {
	b.start = append(b.start, ' ')
	b.start = append(b.start, name...)
	b.start = append(b.start, '=', '"')
	b.start = append(xmlstream.AppendEscaped(b.start, value), '"')
	return b
}

func (b *body) number(name string, n uint64) *body { return b.attr(name, strconv.FormatUint(n, 10)) }

func (b *body) seconds(name string, d time.Duration) *body {
	return b.number(name, uint64(d/time.Second))
}

// end says that the session is over; c is "" where nothing went wrong.
func (b *body) end(c condition) *body {
	b.attr("type", "terminate")
	if c != "" {
		b.attr("condition", string(c))
	}
	return b
}

// payloads adds what the server wrote.
func (b *body) payloads(p payloads) *body {
	if p.prefixed { // XEP-0206 §2
		b.attr("xmlns:stream", xmlstream.NSStreams)
	}
	b.inside = append(b.inside, p.xml...)
	return b
}

func (b *body) String() string {
	if len(b.inside) == 0 {
		return string(append(b.start, "/>"...))
	}
	return string(append(append(append(b.start, '>'), b.inside...), "</body>"...))
}

// payloads are elements from the server on their way to the client.
type payloads struct {
	xml      []byte
	prefixed bool // they use the prefix stream
}

// add appends one first-level element of the server's stream.
func (p *payloads) add(n xmlstream.Node) {
	switch name := n.Name(); name.Space {
	case xmlstream.NSStreams:
		// Clients look for <stream:features/> by this very name.
		p.prefixed = true
		p.xml = append(append(p.xml, "<stream:"...), name.Local...)
		p.xml = append(append(p.xml, '>'), n.Inner()...)
		p.xml = append(append(p.xml, "</stream:"...), name.Local...)
		p.xml = append(p.xml, '>')
	case xmlstream.NSClient: // XEP-0206 §2: the default namespace of the place is another
		at := 1 + len(name.Local)
		raw := n.Raw()
		p.xml = append(append(p.xml, raw[:at]...), ` xmlns="`+xmlstream.NSClient+`"`...)
		p.xml = append(p.xml, raw[at:]...)
	default:
		p.xml = append(p.xml, n.Raw()...)
	}
}

// refusal answers a request that belongs to no session.
func refusal(c condition, legacy bool) answer {
	return answer{c.status(legacy), defaultContent, newBody().end(c).String()}
}
