// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"errors"

	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// condition is a condition of publish-subscribe that stands beside a general one (XEP-0060 §11).
func condition(name string) xmlstream.Raw { return xmlstream.Elem(nsErrors, name) }

// unsupported says which feature there is not.
func unsupported(feature string) *stanza.Error {
	var b xmlstream.Builder
	return stanza.FeatureNotImplemented.WithApp(b.Start(nsErrors, "unsupported").Attr("feature", feature).End().Build())
}

// The answers of XEP-0060 that occur more than once.
var (
	errNodeRequired    = stanza.BadRequest.WithApp(condition("nodeid-required"))
	errItemRequired    = stanza.BadRequest.WithApp(condition("item-required"))
	errPayloadRequired = stanza.BadRequest.WithApp(condition("payload-required"))
	errInvalidPayload  = stanza.BadRequest.WithApp(condition("invalid-payload"))
	errInvalidJID      = stanza.BadRequest.WithApp(condition("invalid-jid"))
	errPrecondition    = stanza.Conflict.WithApp(condition("precondition-not-met"))
	errNotSubscribed   = stanza.UnexpectedRequest.WithType(stanza.Cancel).WithApp(condition("not-subscribed"))
	errNotAcceptable   = stanza.NotAcceptable
)

// public is what an error of the service means on the wire.
func public(err error) error {
	switch {
	case errors.Is(err, item.ErrNoNode), errors.Is(err, item.ErrNoItem): // XEP-0060 §7.2.3.2
		return stanza.ItemNotFound
	case errors.Is(err, item.ErrExists): // XEP-0060 §8.1.1
		return stanza.Conflict
	case errors.Is(err, item.ErrNodes):
		return stanza.ResourceConstraint.WithApp(condition("max-nodes-exceeded"))
	case errors.Is(err, item.ErrPayload): // XEP-0060 §7.1.3.5
		return stanza.NotAcceptable.WithApp(condition("payload-too-big"))
	case errors.Is(err, item.ErrQuota):
		return stanza.ResourceConstraint.WithText("There is no room left for what you publish.")
	case errors.Is(err, item.ErrPeople): // XEP-0060 §6.1.3.9
		return stanza.PolicyViolation.WithApp(condition("too-many-subscriptions"))
	case errors.Is(err, item.ErrName):
		return stanza.NotAcceptable
	case errors.Is(err, item.ErrConfig): // XEP-0060 §8.2.5.2
		return stanza.NotAcceptable
	case errors.Is(err, item.ErrNotSubscribed): // XEP-0060 §6.2.3.2
		return errNotSubscribed
	}
	return err
}
