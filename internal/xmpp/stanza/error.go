// SPDX-License-Identifier: Apache-2.0

package stanza

import (
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// NSErrors is the namespace of the error conditions (RFC 6120 §8.3.2).
const NSErrors = "urn:ietf:params:xml:ns:xmpp-stanzas"

// What the sender of a stanza can do about an error (RFC 6120 §8.3.2).
const (
	Auth     = "auth"     // retry after giving credentials
	Cancel   = "cancel"   // do not retry
	Continue = "continue" // go on, it was a warning
	Modify   = "modify"   // retry with other data
	Wait     = "wait"     // retry later
)

// An Error is a stanza error (RFC 6120 §8.3). It is meant for the other side: text and App may be shown to
// everybody. It is never changed; WithText and the like return another.
type Error struct {
	Type      string        // what can be done about it: Auth, Cancel, Continue, Modify or Wait
	Condition string        // one of those of RFC 6120 §8.3.3
	Text      string        // for people, in English; may be empty
	App       xmlstream.Raw // a condition of the application, an element of its own namespace; may be empty
	Payload   xmlstream.Raw // what stands beside <error/>, such as a form that would help (XEP-0077 §3.3); may be empty
}

// The conditions of RFC 6120 §8.3.3, each with the type that is recommended there. redirect is not among them,
// since it needs an address.
var (
	BadRequest            = &Error{Type: Modify, Condition: "bad-request"}
	Conflict              = &Error{Type: Cancel, Condition: "conflict"}
	FeatureNotImplemented = &Error{Type: Cancel, Condition: "feature-not-implemented"}
	Forbidden             = &Error{Type: Auth, Condition: "forbidden"}
	Gone                  = &Error{Type: Cancel, Condition: "gone"}
	InternalServerError   = &Error{Type: Cancel, Condition: "internal-server-error"}
	ItemNotFound          = &Error{Type: Cancel, Condition: "item-not-found"}
	JIDMalformed          = &Error{Type: Modify, Condition: "jid-malformed"}
	NotAcceptable         = &Error{Type: Modify, Condition: "not-acceptable"}
	NotAllowed            = &Error{Type: Cancel, Condition: "not-allowed"}
	NotAuthorized         = &Error{Type: Auth, Condition: "not-authorized"}
	PolicyViolation       = &Error{Type: Modify, Condition: "policy-violation"}
	RecipientUnavailable  = &Error{Type: Wait, Condition: "recipient-unavailable"}
	RegistrationRequired  = &Error{Type: Auth, Condition: "registration-required"}
	RemoteServerNotFound  = &Error{Type: Cancel, Condition: "remote-server-not-found"}
	RemoteServerTimeout   = &Error{Type: Wait, Condition: "remote-server-timeout"}
	ResourceConstraint    = &Error{Type: Wait, Condition: "resource-constraint"}
	ServiceUnavailable    = &Error{Type: Cancel, Condition: "service-unavailable"}
	SubscriptionRequired  = &Error{Type: Auth, Condition: "subscription-required"}
	UndefinedCondition    = &Error{Type: Cancel, Condition: "undefined-condition"}
	UnexpectedRequest     = &Error{Type: Wait, Condition: "unexpected-request"}
)

// Error returns condition and text.
func (e *Error) Error() string {
	if e.Text == "" {
		return "stanza: " + e.Condition
	}
	return "stanza: " + e.Condition + ": " + e.Text
}

// Is makes errors.Is(err, stanza.NotAllowed) true of every error of that condition, whatever its text and type.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Condition == e.Condition
}

// WithText returns the error with a text for people.
func (e *Error) WithText(text string) *Error {
	c := *e
	c.Text = text
	return &c
}

// WithApp returns the error with a condition of the application beside its own (RFC 6120 §8.3.4).
func (e *Error) WithApp(app xmlstream.Raw) *Error {
	c := *e
	c.App = app
	return &c
}

// WithPayload returns the error with an element beside it, for who sent the request (RFC 6120 §8.3.1).
func (e *Error) WithPayload(payload xmlstream.Raw) *Error {
	c := *e
	c.Payload = payload
	return &c
}

// WithType returns the error with another type, where a specification asks for it.
func (e *Error) WithType(typ string) *Error {
	c := *e
	c.Type = typ
	return &c
}

// Raw returns the element <error/> that stands in an error stanza (RFC 6120 §8.3.2).
func (e *Error) Raw() xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(xmlstream.NSClient, "error").Attr("type", e.Type)
	b.Start(NSErrors, e.Condition).End()
	if e.Text != "" {
		b.Start(NSErrors, "text").Lang("en").Text(e.Text).End()
	}
	return b.Raw(e.App).End().Build()
}

// known reports whether c is one of the conditions of RFC 6120 §8.3.3.
func known(c string) bool {
	switch c {
	case "bad-request", "conflict", "feature-not-implemented", "forbidden", "gone", "internal-server-error",
		"item-not-found", "jid-malformed", "not-acceptable", "not-allowed", "not-authorized", "policy-violation",
		"recipient-unavailable", "redirect", "registration-required", "remote-server-not-found",
		"remote-server-timeout", "resource-constraint", "service-unavailable", "subscription-required",
		"undefined-condition", "unexpected-request":
		return true
	}
	return false
}

// ParseError returns the error that the error stanza s reports. What is not said, or not known, is
// undefined-condition and Cancel (RFC 6120 §8.3.2), so that the result is never nil. Call it for stanzas of type
// error only.
func ParseError(s *Stanza) *Error {
	out := &Error{Type: UndefinedCondition.Type, Condition: UndefinedCondition.Condition}
	el, ok := s.Child(xmlstream.NSClient, "error")
	if !ok {
		return out
	}
	switch t := el.Attr("type"); t {
	case Auth, Cancel, Continue, Modify, Wait:
		out.Type = t
	}
	seen := false
	for n := range el.Children() {
		switch name := n.Name(); {
		case name.Space == NSErrors && name.Local == "text":
			out.Text = n.Text()
		case name.Space == NSErrors && known(name.Local) && !seen:
			out.Condition, seen = name.Local, true
		case name.Space != NSErrors && out.App == "":
			out.App = n.Raw()
		}
	}
	return out
}
