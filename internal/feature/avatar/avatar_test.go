// SPDX-License-Identifier: Apache-2.0

package avatar_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/feature/avatar"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// picture makes a small picture of that shade; hash is what it is called.
func picture(t *testing.T, kind string, shade uint8) (text, hash string) {
	t.Helper()
	img := image.NewPaletted(image.Rect(0, 0, 4, 3), color.Palette{color.Gray{shade}})
	var b bytes.Buffer
	var err error
	switch kind {
	case "image/png":
		err = png.Encode(&b, img)
	case "image/jpeg":
		err = jpeg.Encode(&b, img, nil)
	case "image/gif":
		err = gif.Encode(&b, img, nil)
	case "image/webp":
		b.WriteString("RIFF\x10\x00\x00\x00WEBPVP8 " + string(shade))
	}
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(b.Bytes())
	return base64.StdEncoding.EncodeToString(b.Bytes()), hex.EncodeToString(sum[:])
}

// publish publishes a picture as XEP-0084 §3 says.
func publish(w *routertest.World, d *routertest.Device, text, hash string) {
	d.Sendf(`<iq type="set" id="data"><pubsub xmlns="http://jabber.org/protocol/pubsub"><publish node="urn:xmpp:avatar:data"><item id="%s">`+
		`<data xmlns="urn:xmpp:avatar:data">%s</data></item></publish></pubsub></iq>`, hash, text)
	metadata(w, d, hash, fmt.Sprintf(`<info bytes="1" id="x" type="image/gif" url="https://x.example/a.gif"/><info bytes="12" id="%s" type="image/png"/>`, hash))
}

func metadata(w *routertest.World, d *routertest.Device, id, infos string) {
	d.Sendf(`<iq type="set" id="metadata"><pubsub xmlns="http://jabber.org/protocol/pubsub"><publish node="urn:xmpp:avatar:metadata"><item id="%s">`+
		`<metadata xmlns="urn:xmpp:avatar:metadata">%s</metadata></item></publish></pubsub></iq>`, id, infos)
	w.Settle()
}

// store stores a vCard.
func store(w *routertest.World, d *routertest.Device, inside string) {
	d.Sendf(`<iq type="set" id="store"><vCard xmlns="vcard-temp">%s</vCard></iq>`, inside)
	w.Settle()
}

// heard is what a device was told of another's picture: "-" where a presence says nothing, and "x" where it is not ready.
func heard(d *routertest.Device, from string) (list []string) {
	for _, st := range d.Take() {
		if st.Kind != stanza.Presence || st.From.Resource() != from {
			continue
		}
		x, ok := st.Child("vcard-temp:x:update", "x")
		if !ok {
			list = append(list, "-")
			continue
		}
		photo, ok := x.Child("vcard-temp:x:update", "photo")
		if !ok {
			list = append(list, "x")
			continue
		}
		list = append(list, "photo "+photo.Text())
	}
	return list
}

func check(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// photo asks for a vCard, and returns the picture in it, "" where there is none.
func photo(w *routertest.World, d *routertest.Device, of string) (kind, text string) {
	d.Take()
	d.Sendf(`<iq type="get" id="ask" to="%s@"><vCard xmlns="vcard-temp"/></iq>`, of)
	w.Settle()
	for _, st := range d.Take() {
		if v, ok := st.Child("vcard-temp", "vCard"); ok && st.Type == "result" {
			if p, ok := v.Child("vcard-temp", "PHOTO"); ok {
				k, _ := p.Child("vcard-temp", "TYPE")
				b, _ := p.Child("vcard-temp", "BINVAL")
				return k.Text(), b.Text()
			}
		}
	}
	return "", ""
}

// A picture that is published is in the vCard of who may see the nodes (XEP-0398 §3.1), and its hash in presence (§4).
func TestPublished(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("juliet", "romeo")
		romeo, nurse, juliet := w.Come("romeo/orchard", 0), w.Come("nurse/kitchen", 0), w.Come("juliet/balcony", 0)
		check(t, "before there is one", heard(romeo, "balcony"), "-")
		text, hash := picture(t, "image/png", 1)
		publish(w, juliet, text[:8]+"\n "+text[8:], hash)
		check(t, "when there is one", heard(romeo, "balcony"), "photo "+hash)
		if kind, got := photo(w, romeo, "juliet"); kind != "image/png" || got != text {
			t.Errorf("romeo got %q, %q", kind, got)
		}
		if kind, got := photo(w, nurse, "juliet"); got != "" {
			t.Errorf("nurse got %q, %q", kind, got)
		}
		if _, got := photo(w, juliet, "juliet"); got != text {
			t.Errorf("juliet got %q", got)
		}

		// What her client says itself counts only where it is right, or that it has none to tell of.
		for _, c := range []struct{ says, want string }{
			{``, "photo " + hash},
			{`<x xmlns="vcard-temp:x:update"/>`, "photo " + hash},
			{`<x xmlns="vcard-temp:x:update"><photo>0000</photo></x>`, "photo " + hash},
			{`<x xmlns="vcard-temp:x:update"><photo>` + strings.ToUpper(hash) + `</photo></x>`, "photo " + strings.ToUpper(hash)},
			{`<x xmlns="vcard-temp:x:update"><photo/></x>`, "photo "},
		} {
			juliet.Sendf(`<presence>%s</presence>`, c.says)
			w.Settle()
			check(t, "presence with "+c.says, heard(romeo, "balcony"), c.want)
			juliet.Sendf(`<presence to="nurse@">%s</presence>`, c.says) // XEP-0398 §4
			w.Settle()
			check(t, "directed presence with "+c.says, heard(nurse, "balcony"), c.want)
		}

		// Another picture: who said that there is none to tell of is left alone.
		other, hash2 := picture(t, "image/png", 2)
		publish(w, juliet, other, hash2)
		check(t, "of a silent device", heard(romeo, "balcony"))
		juliet.Sendf(`<presence/>`)
		w.Settle()
		check(t, "no longer silent", heard(romeo, "balcony"), "photo "+hash2)

		// None: it is told, and the next one is, too.
		metadata(w, juliet, "stop", "")
		check(t, "none any more", heard(romeo, "balcony"), "photo ")
		if _, got := photo(w, romeo, "juliet"); got != "" {
			t.Errorf("romeo got %q", got)
		}
		publish(w, juliet, text, hash)
		check(t, "one again", heard(romeo, "balcony"), "photo "+hash)
	})
}

// A picture that is not what its id says, or that is not there, is not shown (XEP-0398 §3.1).
func TestNotWhatItSays(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("juliet", "romeo")
		romeo, juliet := w.Come("romeo/orchard", 0), w.Come("juliet/balcony", 0)
		romeo.Take()
		text, hash := picture(t, "image/png", 1)
		_, hash2 := picture(t, "image/png", 2)
		metadata(w, juliet, hash, `<info bytes="12" id="`+hash+`" type="image/png"/>`)
		check(t, "not there", heard(romeo, "balcony"))
		publish(w, juliet, text, hash2)
		check(t, "another", heard(romeo, "balcony"))
		publish(w, juliet, "!", hash)
		check(t, "none", heard(romeo, "balcony"))
		metadata(w, juliet, hash, `<info bytes="12" id="`+hash+`" type="image/png" url="https://x.example/a.png"/>`)
		check(t, "elsewhere", heard(romeo, "balcony"))
		if _, got := photo(w, romeo, "juliet"); got != "" {
			t.Errorf("got %q", got)
		}
		// The data may come after the metadata.
		metadata(w, juliet, hash, `<info bytes="12" id="`+hash+`" type="image/png"/>`)
		publish(w, juliet, text, hash)
		check(t, "in the end", heard(romeo, "balcony"), "photo "+hash)
	})
}

// A picture in a vCard that somebody stores is published (XEP-0398 §3.2).
func TestStored(t *testing.T) {
	t.Parallel()
	for i, kind := range []string{"image/png", "image/jpeg", "image/gif", "image/webp"} {
		t.Run(kind, func(t *testing.T) {
			routertest.Each(t, func(w *routertest.World) {
				w.Friends("juliet", "romeo")
				romeo, juliet := w.Come("romeo/orchard", 0), w.Come("juliet/balcony", 0)
				romeo.Take()
				text, hash := picture(t, kind, uint8(i+1))
				// The type is a hint (XEP-0153 §5), and white space counts for nothing (XEP-0153 §4.6).
				store(w, juliet, `<FN>Juliet</FN><PHOTO><TYPE>image/bmp</TYPE><BINVAL>`+"\n"+text[:5]+"\r\n\t"+text[5:]+`</BINVAL></PHOTO>`)
				check(t, "stored", heard(romeo, "balcony"), "photo "+hash)
				id := w.Account("juliet")
				it, err := w.Items.Item(context.Background(), id, avatar.Metadata, hash)
				size := ` width="4" height="3"`
				if kind == "image/webp" {
					size = ""
				}
				raw, _ := base64.StdEncoding.DecodeString(text)
				want := fmt.Sprintf(`<metadata xmlns="urn:xmpp:avatar:metadata"><info bytes="%d" id="%s" type="%s"%s/></metadata>`, len(raw), hash, kind, size)
				if err != nil || string(it.Payload) != want {
					t.Errorf("got %s, %v, want %s", it.Payload, err, want)
				}
				if it, err := w.Items.Item(context.Background(), id, avatar.Data, hash); err != nil ||
					string(it.Payload) != `<data xmlns="urn:xmpp:avatar:data">`+text+`</data>` {
					t.Errorf("got %s, %v", it.Payload, err)
				}
				if k, got := photo(w, romeo, "juliet"); k != kind || got != text {
					t.Errorf("got %q, %q", k, got)
				}

				// The same again is no news; without it, there is none.
				store(w, juliet, `<PHOTO><TYPE>image/png</TYPE><BINVAL>`+text+`</BINVAL></PHOTO>`)
				check(t, "the same", heard(romeo, "balcony"))
				store(w, juliet, `<FN>Juliet</FN>`)
				check(t, "none", heard(romeo, "balcony"), "photo ")
				store(w, juliet, `<FN>J</FN>`)
				check(t, "still none", heard(romeo, "balcony"))
			})
		})
	}
}

// A picture that browsers do not show, or that is elsewhere, stays in the vCard; one that is too large is refused.
func TestStoredOnly(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("juliet", "romeo")
		romeo, juliet := w.Come("romeo/orchard", 0), w.Come("juliet/balcony", 0)
		romeo.Take()
		store(w, juliet, `<PHOTO><TYPE>image/bmp</TYPE><BINVAL>Qk0=</BINVAL></PHOTO>`)
		check(t, "of another kind", heard(romeo, "balcony"))
		if kind, got := photo(w, romeo, "juliet"); kind != "image/bmp" || got != "Qk0=" {
			t.Errorf("got %q, %q", kind, got)
		}
		juliet.Take()
		store(w, juliet, `<PHOTO><TYPE>image/png</TYPE><BINVAL>`+base64.StdEncoding.EncodeToString(append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 110_000)...))+`</BINVAL></PHOTO>`)
		for _, st := range juliet.Take() {
			if st.Kind == stanza.IQ && (st.Type != "error" || stanza.ParseError(st).Condition != "policy-violation") {
				t.Errorf("got %s", st.Raw())
			}
		}
		if kind, got := photo(w, romeo, "juliet"); kind != "image/bmp" || got != "Qk0=" {
			t.Errorf("got %q, %q", kind, got)
		}
		text, hash := picture(t, "image/png", 1)
		publish(w, juliet, text, hash)
		check(t, "published", heard(romeo, "balcony"), "photo "+hash)
		if _, got := photo(w, romeo, "juliet"); got != text {
			t.Errorf("got %q", got)
		}
	})
}
