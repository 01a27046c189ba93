// SPDX-License-Identifier: Apache-2.0

// Package avatar shows one picture of a person to clients of both kinds: those that follow the person's nodes (XEP-0084
// v1.1.4), and those that look into vCards and learn from presence when to do so (XEP-0153 v1.1.1), as XEP-0398 v1.0.0 wants.
//
// The picture is kept once, in the nodes. Who asks for a vCard finds it there if they may see the nodes (Photo); who stores
// one with a picture publishes it (Set). Its hash goes into the presence of the person's devices, and when the picture
// changes they are seen to say so. The hash is in memory: a bounded cache, forgotten with each change.
package avatar

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"

	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// The nodes, which are also the namespaces of what is in them (XEP-0084 §4).
const (
	Data     = "urn:xmpp:avatar:data"
	Metadata = "urn:xmpp:avatar:metadata"
)

const nsCard = "vcard-temp"

// Options are what the feature works with.
type Options struct {
	Log   *slog.Logger
	Items *item.Service
	// May reports whether who, a bare address, may see what is in a node; *pep.Pep has it.
	May func(ctx context.Context, o item.Owner, who jid.JID, n item.Node) (bool, error)
	// Again has an account's devices say their presence again as amend returns it; *presence.Presence has it.
	Again func(ctx context.Context, account jid.JID, id int64, amend func(*router.Device, *stanza.Stanza) *stanza.Stanza) error
}

// Avatar is the feature.
type Avatar struct {
	Options
	r      *router.Router
	hashes hashes
	silent router.Slot[bool] // the device says that there is nothing to be said of a picture (XEP-0153 §4.1)
}

// Install hangs avatars into r.
func Install(r *router.Router, o Options) *Avatar {
	a := &Avatar{Options: o, r: r, hashes: hashes{known: map[int64]string{}}, silent: router.NewSavedSlot[bool](r, "avatar")}
	r.Advertise(router.Self, "urn:xmpp:pep-vcard-conversion:0") // XEP-0398 §2
	r.OnPresence(router.Outbound, router.Check, a.presence)
	return a
}

// A picture is what an account shows.
type picture struct {
	hash string // SHA-1 of the bytes, in lower-case hexadecimal digits
	kind string // content type, as was published
	text string // the bytes in base64, without line feeds
}

// current returns the account's picture (XEP-0398 §3.1), and the nodes that it is in; ok is false where there is none, it is
// elsewhere, or it is not what its id says.
func (a *Avatar) current(ctx context.Context, owner int64) (p picture, data, metadata item.Node, ok bool, err error) {
	if metadata, err = a.Items.Node(ctx, owner, Metadata); err == nil {
		data, err = a.Items.Node(ctx, owner, Data)
	}
	if errors.Is(err, item.ErrNoNode) {
		return p, data, metadata, false, nil
	}
	if err != nil {
		return p, data, metadata, false, err
	}
	last, ok, err := a.Items.Last(ctx, owner, metadata)
	if err != nil || !ok {
		return p, data, metadata, false, err
	}
	id := ""
	if id, p.kind = published(last.Payload); id == "" {
		return p, data, metadata, false, nil
	}
	it, err := a.Items.Item(ctx, owner, Data, id)
	if errors.Is(err, item.ErrNoItem) {
		return p, data, metadata, false, nil
	}
	if err != nil {
		return p, data, metadata, false, err
	}
	el, ok := child(it.Payload, Data, "data")
	if !ok {
		return p, data, metadata, false, nil
	}
	bytes, ok := decode(el.Text())
	if !ok || !strings.EqualFold(hash(bytes), id) { // XEP-0398 §3.1
		return p, data, metadata, false, nil
	}
	p.hash, p.text = hash(bytes), base64.StdEncoding.EncodeToString(bytes)
	return p, data, metadata, true, nil
}

// published returns id and type of the picture that metadata tells to be in the data node: the first that is at no URL
// (XEP-0398 §3.1). id is "" where there is none; an empty element says that no picture is to be shown (XEP-0084 §3.5).
func published(metadata xmlstream.Raw) (id, kind string) {
	el, ok := child(metadata, Metadata, "metadata")
	if !ok {
		return "", ""
	}
	for n := range el.Children() {
		if n.Is(Metadata, "info") && !n.HasAttr("url") {
			return n.Attr("id"), n.Attr("type")
		}
	}
	return "", ""
}

// Photo returns the picture of an account as it stands in a vCard, "" where there is none or who, a bare address, may not
// see both nodes (XEP-0398 §5.2, §7).
func (a *Avatar) Photo(ctx context.Context, o item.Owner, who jid.JID) (xmlstream.Raw, error) {
	p, data, metadata, ok, err := a.current(ctx, o.ID)
	if err != nil || !ok {
		return "", err
	}
	for _, n := range []item.Node{data, metadata} {
		if may, err := a.May(ctx, o, who, n); err != nil || !may {
			return "", err
		}
	}
	var b xmlstream.Builder
	b.Start(nsCard, "PHOTO") // XEP-0153 §4.5
	b.Start("", "TYPE").Text(p.kind).End()
	b.Start("", "BINVAL").Text(p.text).End()
	return b.End().Build(), nil
}

// child parses an element that must have that name.
func child(raw xmlstream.Raw, space, local string) (xmlstream.Node, bool) {
	n, err := xmlstream.ParseRaw(raw)
	if err != nil {
		return xmlstream.Node{}, false
	}
	return n.Child(space, local)
}

// decode reads base64, with white space anywhere (XEP-0153 §4.6, XEP-0084 §4.1).
func decode(text string) ([]byte, bool) {
	bytes, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	return bytes, err == nil && len(bytes) > 0
}

func hash(bytes []byte) string {
	sum := sha1.Sum(bytes)
	return hex.EncodeToString(sum[:])
}
