// SPDX-License-Identifier: Apache-2.0

package avatar

import (
	"bytes"
	"context"
	"encoding/base64"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// none is the id of metadata that say that there is no picture.
const none = "none"

// Set takes the picture of a vCard that somebody stores, photo being its <PHOTO/> or zero. It returns what has to be done,
// nil for nothing, and whether the picture is kept with that: it is not where it is of no kind that we know, larger than an
// item may be, or not in the vCard at all. Then no picture is published any more (XEP-0398 §3.2, XEP-0084 §3.5).
func (a *Avatar) Set(ctx context.Context, o item.Owner, photo xmlstream.Node) (act func(*db.Tx) error, kept bool, err error) {
	had, err := a.hash(ctx, o.ID)
	if err != nil {
		return nil, false, err
	}
	data, info, ok := a.read(photo)
	switch {
	case !ok && had == "":
		return nil, false, nil
	case !ok:
		return func(tx *db.Tx) error {
			_, err := a.Items.Publish(tx, o, Metadata, item.Item{ID: none, Payload: xmlstream.Elem(Metadata, "metadata")}, item.Default())
			return err
		}, false, nil
	case data.ID == had:
		return nil, true, nil
	}
	return func(tx *db.Tx) error {
		if _, err := a.Items.Publish(tx, o, Data, data, item.Default()); err != nil {
			return err
		}
		_, err := a.Items.Publish(tx, o, Metadata, info, item.Default())
		return err
	}, true, nil
}

// read makes items of a photo (XEP-0398 §3.2).
func (a *Avatar) read(photo xmlstream.Node) (data, metadata item.Item, ok bool) {
	if photo.IsZero() {
		return data, metadata, false
	}
	val, ok := photo.Child(nsCard, "BINVAL")
	if !ok {
		return data, metadata, false
	}
	raw, ok := decode(val.Text())
	if !ok {
		return data, metadata, false
	}
	kind, width, height := look(raw)
	if kind == "" {
		return data, metadata, false
	}
	data.ID = hash(raw)
	data.Payload = xmlstream.TextElem(Data, "data", base64.StdEncoding.EncodeToString(raw))
	if len(data.ID)+len(data.Payload) > a.Items.Limits().Payload {
		return data, metadata, false
	}
	var b xmlstream.Builder
	b.Start(Metadata, "metadata").Start("", "info").Attr("bytes", strconv.Itoa(len(raw))).Attr("id", data.ID).Attr("type", kind)
	if width > 0 && height > 0 {
		b.Attr("width", strconv.Itoa(width)).Attr("height", strconv.Itoa(height))
	}
	metadata = item.Item{ID: data.ID, Payload: b.End().End().Build()}
	return data, metadata, true
}

// look returns the content type of a picture by what it is, whatever is said of it (XEP-0153 §5), and its size in pixels
// where that is easily found; "" for what is no picture that browsers and phones show.
func look(raw []byte) (kind string, width, height int) {
	var size image.Config
	var err error
	switch s := string(raw[:min(len(raw), 16)]); {
	case strings.HasPrefix(s, "\x89PNG\r\n\x1a\n"):
		kind = "image/png"
		size, err = png.DecodeConfig(bytes.NewReader(raw))
	case strings.HasPrefix(s, "\xff\xd8\xff"):
		kind = "image/jpeg"
		size, err = jpeg.DecodeConfig(bytes.NewReader(raw))
	case strings.HasPrefix(s, "GIF87a"), strings.HasPrefix(s, "GIF89a"):
		kind = "image/gif"
		size, err = gif.DecodeConfig(bytes.NewReader(raw))
	case strings.HasPrefix(s, "RIFF") && len(s) >= 12 && s[8:12] == "WEBP":
		kind = "image/webp"
	}
	if err != nil { // it may be shown all the same
		size = image.Config{}
	}
	return kind, size.Width, size.Height
}
