// SPDX-License-Identifier: Apache-2.0

// Package upload gives people addresses at the server to which they bring files (XEP-0363 v1.2.0). What becomes of the
// files there is the business of package internal/upload.
package upload

import (
	"context"
	"errors"
	"strconv"
	"time"

	files "github.com/kith-im/kith/internal/upload"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	ns        = "urn:xmpp:http:upload:0"
	nsPurpose = "urn:xmpp:http:upload:purpose:0"
)

// Slots gives slots. *files.Service implements it.
type Slots interface {
	Slot(ctx context.Context, owner int64, q files.Request) (files.Slot, error)
}

type upload struct {
	slots Slots
	max   int64
	now   func() time.Time
}

// Install hangs upload into r: the server itself is the service. max is the size of the largest file, in bytes. What it
// returns tells that in service discovery (XEP-0363 §3).
func Install(r *router.Router, slots Slots, max int64, now func() time.Time) form.Extension {
	u := &upload{slots, max, now}
	r.Advertise(router.Server, ns, nsPurpose+"#message", nsPurpose+"#ephemeral") // XEP-0363 §5.1, §5.3
	r.HandleIQ(router.Server, "get", ns, "request", u.request)
	return form.Extension{Type: ns, Fields: []form.Field{{Var: "max-file-size", Value: strconv.FormatInt(max, 10)}}}
}

// request answers who wants to bring a file (XEP-0363 §4).
func (u *upload) request(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	wanted := files.Request{Name: q.Payload.Attr("filename"), Type: q.Payload.Attr("content-type")}
	var err error
	if wanted.Size, err = strconv.ParseInt(q.Payload.Attr("size"), 10, 64); err != nil {
		return "", stanza.BadRequest.WithText("size is no number of bytes")
	}
	if wanted.Until, err = u.until(q.Payload); err != nil {
		return "", err
	}
	slot, err := u.slots.Slot(ctx, q.Owner.ID, wanted)
	if err != nil {
		return "", u.refusal(err)
	}
	var b xmlstream.Builder
	b.Start(ns, "slot")
	b.Start(ns, "put").Attr("url", slot.Put)
	b.Start(ns, "header").Attr("name", "Authorization").Text(slot.Authorization).End()
	b.End()
	b.Start(ns, "get").Attr("url", slot.Get).End()
	return b.End().Build(), nil
}

// until reads what the file is for: how long it may be there, the zero Time where nothing is said (XEP-0363 §5).
func (u *upload) until(request xmlstream.Node) (time.Time, error) {
	for n := range request.Children() {
		if n.Name().Space != nsPurpose {
			continue
		}
		switch n.Name().Local {
		case "message":
			return time.Time{}, nil
		case "ephemeral": // XEP-0363 §5.3
			until, err := time.Parse(time.RFC3339, n.Attr("expire-before")) // XEP-0082 §3.2
			if err != nil {
				return time.Time{}, stanza.BadRequest.WithText("expire-before is no time")
			}
			if !until.After(u.now()) {
				return time.Time{}, stanza.BadRequest.WithText("expire-before is over")
			}
			return until, nil
		default: // it was not advertised
			return time.Time{}, stanza.FeatureNotImplemented.WithText("files are not kept for this purpose")
		}
	}
	return time.Time{}, nil
}

// refusal is the error for who asked (XEP-0363 §6).
func (u *upload) refusal(err error) error {
	if quota, ok := errors.AsType[*files.QuotaError](err); ok {
		at := quota.Retry.UTC().Add(time.Second - 1).Truncate(time.Second) // not before it
		var b xmlstream.Builder
		b.Start(ns, "retry").Attr("stamp", at.Format(time.RFC3339))
		return stanza.ResourceConstraint.WithText("enough files for one day").WithApp(b.End().Build())
	}
	switch {
	case errors.Is(err, files.ErrTooLarge):
		var b xmlstream.Builder
		b.Start(ns, "file-too-large").Start(ns, "max-file-size").Text(strconv.FormatInt(u.max, 10)).End()
		return stanza.NotAcceptable.WithText("files may have " + strconv.FormatInt(u.max, 10) + " bytes").WithApp(b.End().Build())
	case errors.Is(err, files.ErrFull):
		return stanza.ResourceConstraint.WithText("your files take all the room that there is for one account")
	case errors.Is(err, files.ErrName):
		return stanza.BadRequest.WithText("filename cannot be the name of a file")
	case errors.Is(err, files.ErrSize):
		return stanza.BadRequest.WithText("size is no number of bytes")
	case errors.Is(err, files.ErrType):
		return stanza.BadRequest.WithText("content-type is no media type")
	}
	return err
}
