// SPDX-License-Identifier: Apache-2.0

package bosh

import (
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsBody = "http://jabber.org/protocol/httpbind"
	nsXMPP = "urn:xmpp:xbosh"
)

// What we agree to (XEP-0124 §7.2).
const (
	maxWait           = 55 // seconds; proxies give up after 60, unless they were told otherwise
	maxHold           = 2
	polling           = 2 // seconds
	inactivity        = 60 * time.Second
	pollingInactivity = 90 * time.Second // XEP-0124 §12: higher, by more than polling
	maxPause          = 120 * time.Second
	verMajor          = 1
	verMinor          = 11

	maxRID         = 1<<53 - 1 // XEP-0124 §14.1
	defaultContent = "text/xml; charset=utf-8"
)

// errBadRequest is a request that makes no sense.
var errBadRequest = errors.New("bosh: bad request")

// A request is what the body of one says.
type request struct {
	rid       uint64
	sid       string // "" begins a session
	payload   string // what goes on to the server; "" for none
	terminate bool
	restart   bool          // XEP-0206 §5
	pause     time.Duration // 0 for none
	root      xmlstream.Node
}

// empty says that a request does nothing but ask for payloads.
func (r *request) empty() bool { return r.payload == "" && !r.terminate && !r.restart && r.pause == 0 }

// parse reads the body of a request (XEP-0124 §6). Its errors are errBadRequest, or of xmlstream.
func parse(doc string, l xmlstream.Limits) (*request, error) {
	e, err := xmlstream.Parse(strings.TrimLeft(doc, " \t\r\n"), l)
	if err != nil {
		return nil, err
	}
	root := e.Root()
	r := &request{sid: root.Attr("sid"), terminate: root.Attr("type") == "terminate", root: root}
	r.restart = isTrue(root.AttrNS(nsXMPP, "restart"))
	r.rid, err = strconv.ParseUint(root.Attr("rid"), 10, 64)
	switch {
	case !root.Is(nsBody, "body"), strings.TrimSpace(root.Text()) != "":
		return nil, errBadRequest
	case err != nil, r.rid == 0, r.rid > maxRID:
		return nil, errBadRequest
	case root.HasAttr("sid") && r.sid == "":
		return nil, errBadRequest
	}
	if p := root.Attr("pause"); p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return nil, errBadRequest
		}
		r.pause = max(time.Duration(n)*time.Second, 1) // to pause for no time is to ask for all answers
	}
	if !r.restart { // XEP-0206 §5: what comes with a restart is ignored
		r.payload, err = payload(root)
	}
	return r, err
}

// payload returns the elements of a body as they go into a stream of XMPP.
func payload(root xmlstream.Node) (string, error) {
	var b strings.Builder
	for n := range root.Children() {
		raw := string(n.Raw())
		if name := n.Name(); name.Space == nsBody {
			// XEP-0206 §2: many clients declare no namespace on a stanza and mean that of XMPP.
			start := "<" + name.Local
			rest, ok := strings.CutPrefix(raw, start+` xmlns="`+nsBody+`"`)
			if !ok || !isStanza(name.Local) {
				return "", errBadRequest
			}
			raw = start + rest
		}
		b.WriteString(raw)
	}
	return b.String(), nil
}

func isStanza(name string) bool { return name == "message" || name == "presence" || name == "iq" }

// isTrue reads an xs:boolean.
func isTrue(s string) bool { return s == "true" || s == "1" }

// conditionFor says what was wrong with a request that could not be read.
func conditionFor(err error) condition {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return policyViolation
	}
	if e, ok := errors.AsType[*xmlstream.SyntaxError](err); ok && e.Condition == xmlstream.PolicyViolation {
		return policyViolation
	}
	return badRequest
}

// A term is what client and gateway agree on for a session.
type term struct {
	legacy         bool // the client told no version, and knows the statuses of HTTP only (XEP-0124 §17.1)
	ver            string
	to, from       string
	lang, version  string // of the stream
	content        string // of all answers
	wait           time.Duration
	hold, requests int
	inactivity     time.Duration
	acks           bool // XEP-0124 §9
}

// polls says that a session never waits (XEP-0124 §12).
func (t *term) polls() bool { return t.hold == 0 || t.wait == 0 }

// terms reads what a client wants (XEP-0124 §7.1) and says what it gets, or why it gets nothing.
func terms(r *request, domain jid.JID) (term, condition) {
	n := r.root
	t := term{
		legacy: !n.HasAttr("ver"), acks: n.Attr("ack") == "1", to: n.Attr("to"), from: n.Attr("from"),
		lang: n.AttrNS(xmlstream.NSXML, "lang"), version: n.AttrNS(nsXMPP, "version"), inactivity: inactivity,
	}
	if t.version == "" {
		t.version = "1.0" // XEP-0206 §11: the default
	}
	var ok [4]bool
	var wait, hold uint64
	t.ver, ok[0] = lower(n.Attr("ver"))
	wait, ok[1] = number(n, "wait", maxWait)
	hold, ok[2] = number(n, "hold", 1)
	t.content, ok[3] = contentType(n.Attr("content"))
	if !t.legacy && !ok[0] || !ok[1] || !ok[2] || !ok[3] || r.terminate || r.restart || r.pause != 0 {
		return t, badRequest
	}
	switch to, err := jid.Parse(t.to); {
	case t.to == "":
		return t, improperAddressing
	case err != nil, to != domain: // XEP-0124 §7.1: where there is one domain only, 'route' means nothing
		return t, hostUnknown
	}
	t.wait = time.Duration(min(wait, maxWait)) * time.Second
	// XEP-0124 §7.2 wants more requests than the client would have held; who wants very many gets fewer.
	t.hold = int(min(hold, maxHold))
	t.requests = t.hold + 1
	if t.polls() {
		t.inactivity = pollingInactivity
	}
	return t, ""
}

// number reads an attribute; missing it is absent.
func number(n xmlstream.Node, attr string, absent uint64) (uint64, bool) {
	if !n.HasAttr(attr) {
		return absent, true
	}
	v, err := strconv.ParseUint(n.Attr(attr), 10, 16)
	return v, err == nil
}

// lower returns our version of BOSH or the client's, whichever is lower.
func lower(ver string) (string, bool) {
	a, b, ok := strings.Cut(ver, ".")
	major, err := strconv.ParseUint(a, 10, 16)
	minor, bad := strconv.ParseUint(b, 10, 16)
	if !ok || err != nil || bad != nil {
		return "", false
	}
	if major > verMajor || major == verMajor && minor > verMinor {
		major, minor = verMajor, verMinor
	}
	return strconv.FormatUint(major, 10) + "." + strconv.FormatUint(minor, 10), true
}

// contentType judges what a client wants its answers to be called. Nothing is allowed that a browser would show as
// a page: the answers have in them what others wrote.
func contentType(s string) (string, bool) {
	if s == "" {
		return defaultContent, true
	}
	kind, params, err := mime.ParseMediaType(s)
	if err != nil || kind != "text/xml" && kind != "application/xml" && kind != "text/plain" {
		return "", false
	}
	for k, v := range params {
		if k != "charset" || !strings.EqualFold(v, "utf-8") {
			return "", false
		}
	}
	return mime.FormatMediaType(kind, params), true
}
