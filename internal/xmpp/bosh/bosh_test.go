// SPDX-License-Identifier: Apache-2.0

package bosh_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// XEP-0124 §7: the first request, and what it gets.
func TestSessionBegins(t *testing.T) {
	play(t, func(w *world) {
		c := w.post(`to="kith.example" from="a@kith.example" wait="90" hold="1" ver="1.6" ack="1" xml:lang="de"
			xmpp:version="1.0" xmlns:xmpp="urn:xmpp:xbosh" content="application/xml;charset=UTF-8" route="xmpp:else.example:1"`, "")
		c.waits()
		p := <-w.conns
		p.hear(`<stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" to="kith.example"` +
			` from="a@kith.example" version="1.0" xml:lang="de">`)
		p.says(header).isTaken(true)
		c.waits()
		p.says(features).isTaken(true)
		sid := c.root().Attr("sid")
		if len(sid) < 26 { // of base32
			t.Errorf("the sid %q is short", sid)
		}
		c.gets(`<body xmlns="` + nsBody + `" sid="` + sid + `" wait="55" requests="2" hold="1" polling="2" inactivity="60"` +
			` maxpause="120" ver="1.6" from="kith.example" authid="its-id" xmlns:xmpp="urn:xmpp:xbosh" xmpp:version="1.0"` +
			` xmpp:restartlogic="true" ack="1099511627777" xmlns:stream="http://etherx.jabber.org/streams">` + features + `</body>`)
		if got := c.rec.Header().Get("Content-Type"); got != "application/xml; charset=UTF-8" {
			t.Errorf("Content-Type %q", got)
		}
	})
}

func TestTerms(t *testing.T) {
	const to = `to="kith.example" ver="1.11" `
	for _, tt := range []struct{ name, attrs, want string }{
		{"all defaults", to, `wait="55" requests="2" hold="1" polling="2" inactivity="60" maxpause="120" ver="1.11"`},
		{"less than we could", to + `wait="5" hold="1"`, `wait="5" requests="2" hold="1"`},
		{"more than we would", to + `wait="65535" hold="9"`, `wait="55" requests="3" hold="2"`},
		{"polls for want of hold", to + `hold="0"`, `wait="55" requests="1" hold="0" polling="2" inactivity="90"`},
		{"polls for want of wait", to + `wait="0"`, `wait="0" requests="2" hold="1" polling="2" inactivity="90"`},
		{"a version to come", `to="kith.example" ver="2.0"`, `ver="1.11"`},
		{"a minor version of two digits", `to="kith.example" ver="1.12"`, `ver="1.11"`},
		{"an old version", `to="kith.example" ver="1.8"`, `ver="1.8"`},
		{"another way to write the domain", `to="KITH.example" ver="1.8"`, `from="KITH.example"`},
		{"plain text", to + `content="text/plain"`, `wait="55"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(w *world) {
				c := w.post(tt.attrs, "")
				(<-w.conns).says(header + features)
				if got := c.answer(); !strings.Contains(got, tt.want) || strings.Contains(got, "ack=") {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		})
	}
}

// XEP-0124 §17.1, §17.2
func TestRefusals(t *testing.T) {
	const to = `to="kith.example" ver="1.11" `
	for _, tt := range []struct {
		name, attrs, condition string
		status                 int
	}{
		{"no domain", `ver="1.11"`, "improper-addressing", 200},
		{"domain of no name", `to="" ver="1.11"`, "improper-addressing", 200},
		{"another domain", `to="else.example" ver="1.11"`, "host-unknown", 200},
		{"an account", `to="a@kith.example" ver="1.11"`, "host-unknown", 200},
		{"version that is none", `to="kith.example" ver="1"`, "bad-request", 200},
		{"wait that is none", to + `wait="-1"`, "bad-request", 200},
		{"wait without end", to + `wait="65536"`, "bad-request", 200},
		{"hold that is none", to + `hold="one"`, "bad-request", 200},
		{"a page of HTML", to + `content="text/html"`, "bad-request", 200},
		{"a header of one's own", to + `content="text/xml&#10;X: y"`, "bad-request", 200},
		{"a parameter of one's own", to + `content="text/xml; x=y"`, "bad-request", 200},
		{"another encoding", to + `content="text/xml; charset=latin1"`, "bad-request", 200},
		{"an end", to + `type="terminate"`, "bad-request", 200},
		{"a restart", to + `xmpp:restart="1" xmlns:xmpp="urn:xmpp:xbosh"`, "bad-request", 200},
		{"a pause", to + `pause="3"`, "bad-request", 200},
		{"no such session", `sid="x"`, "item-not-found", 200},
		{"empty sid", to + `sid=""`, "bad-request", 200},
		{"of a client without version", `to="kith.example" wait="x"`, "bad-request", 400},
		{"of a client without version, other", `to="else.example"`, "host-unknown", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(w *world) {
				c := w.post(tt.attrs, "")
				if c.gets(terminated(tt.condition)); c.rec.Code != tt.status {
					t.Errorf("status %d, want %d", c.rec.Code, tt.status)
				}
				if got := c.rec.Header().Get("Content-Type"); got != "text/xml; charset=utf-8" {
					t.Errorf("Content-Type %q", got)
				}
			})
		})
	}
}

// Bodies that are none (XEP-0124 §6, §14.1).
func TestBadBodies(t *testing.T) {
	body := func(attrs, inside string) string {
		return `<body xmlns="` + nsBody + `" to="kith.example" ver="1.11" ` + attrs + `>` + inside + `</body>`
	}
	for _, tt := range []struct{ name, text, condition string }{
		{"nothing", "", "bad-request"},
		{"no XML", "rid=1", "bad-request"},
		{"half of it", `<body xmlns="` + nsBody + `" rid="1">`, "bad-request"},
		{"two of them", body(`rid="1"`, "") + body(`rid="2"`, ""), "bad-request"},
		{"another namespace", `<body xmlns="jabber:client" rid="1"/>`, "bad-request"},
		{"no namespace", `<body rid="1"/>`, "bad-request"},
		{"another name", `<head xmlns="` + nsBody + `" rid="1"/>`, "bad-request"},
		{"text", body(`rid="1"`, "hello"), "bad-request"},
		{"comment", body(`rid="1"`, "<!-- -->"), "bad-request"},
		{"document type", `<!DOCTYPE body>` + body(`rid="1"`, ""), "bad-request"},
		{"our namespace in a payload", body(`rid="1"`, "<uri/>"), "bad-request"},
		{"our namespace by declaration", body(`rid="1"`, `<x:message xmlns:x="`+nsBody+`"/>`), "bad-request"},
		{"no rid", body("", ""), "bad-request"},
		{"rid of zero", body(`rid="0"`, ""), "bad-request"},
		{"negative rid", body(`rid="-5"`, ""), "bad-request"},
		{"rid that is none", body(`rid="0x10"`, ""), "bad-request"},
		{"largest rid", body(`rid="9007199254740991"`, ""), ""},
		{"rid too large", body(`rid="9007199254740992"`, ""), "bad-request"},
		{"pause that is none", body(`rid="1" pause="soon"`, ""), "bad-request"},
		{"an XML declaration, and lines around it", "\n<?xml version='1.0' encoding='UTF-8'?>\n" + body(`rid="1"`, "\n") + "\n", ""},
		{"too large", body(`rid="1"`, `<message><body>`+strings.Repeat("x", 400<<10)+`</body></message>`), "policy-violation"},
		{"too deep", body(`rid="1"`, strings.Repeat("<x xmlns='x'>", 80)+strings.Repeat("</x>", 80)), "policy-violation"},
		{"too much before log-in", body(`rid="1"`, `<message><body>`+strings.Repeat("x", 30<<10)+`</body></message>`), "policy-violation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(w *world) {
				c := w.send("POST", tt.text, nil)
				if tt.condition != "" {
					c.gets(terminated(tt.condition))
					return
				}
				(<-w.conns).says(header + features)
				if c.root().Attr("sid") == "" {
					t.Errorf("got %s", c.rec.Body)
				}
			})
		})
	}
}

func TestHTTP(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method string
		change func(w *world, r *http.Request)
		status int
		header map[string]string
	}{
		{"somebody looks", "GET", nil, 200, map[string]string{"Content-Type": "text/plain; charset=utf-8"}},
		{"HEAD", "HEAD", nil, 200, nil},
		{"another method", "PUT", nil, 405, map[string]string{"Allow": "POST, GET, HEAD, OPTIONS"}},
		{"a browser asks", "OPTIONS", func(_ *world, r *http.Request) { r.Header.Set("Origin", "https://kith.example") }, 204,
			map[string]string{
				"Access-Control-Allow-Origin": "https://kith.example", "Access-Control-Allow-Methods": "POST",
				"Access-Control-Allow-Headers": "Content-Type", "Vary": "Origin",
			}},
		{"a page of ours", "POST", func(_ *world, r *http.Request) { r.Header.Set("Origin", "https://kith.example") }, 200,
			map[string]string{"Access-Control-Allow-Origin": "https://kith.example", "Cache-Control": "no-store"}},
		{"a page of others asks", "OPTIONS", func(w *world, r *http.Request) {
			w.origin = false
			r.Header.Set("Origin", "https://else.example")
		}, 403, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"a page of others", "POST", func(w *world, r *http.Request) {
			w.origin = false
			r.Header.Set("Origin", "https://else.example")
		}, 403, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"in the clear", "POST", func(w *world, _ *http.Request) { w.secure = false }, 403, nil},
		{"compressed", "POST", func(_ *world, r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 200, nil},
		{"not compressed", "POST", func(_ *world, r *http.Request) { r.Header.Set("Content-Encoding", "identity") }, 200, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(w *world) {
				c := w.send(tt.method, `<body xmlns="`+nsBody+`" rid="1" sid="x"/>`, func(r *http.Request) {
					if tt.change != nil {
						tt.change(w, r)
					}
				})
				if c.answer(); c.rec.Code != tt.status {
					t.Errorf("status %d, want %d", c.rec.Code, tt.status)
				}
				for k, want := range tt.header {
					if got := c.rec.Header().Get(k); got != want {
						t.Errorf("%s: %q, want %q", k, got, want)
					}
				}
				if want := map[string]string{"compressed": "bad-request", "not compressed": "item-not-found"}[tt.name]; !strings.Contains(c.rec.Body.String(), want) {
					t.Errorf("got %s, want %s", c.rec.Body, want)
				}
			})
		})
	}
}

// Payloads go both ways as they must be on the other side (XEP-0124 §8, XEP-0206 §2).
func TestPayloads(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin("")
		c := w.post("", `<message xmlns="jabber:client" to="b@kith.example"><body>1 &lt; 2</body></message>`+
			`<presence type="probe"/> <iq id='1'><q xmlns='urn:q'/></iq>`+
			`<p:x xmlns:p="urn:p" a="1"/><auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="X">=</auth>`)
		p.hear(`<message xmlns="jabber:client" to="b@kith.example"><body>1 &lt; 2</body></message>` +
			`<presence type="probe"/><iq id='1'><q xmlns="urn:q"/></iq>` +
			`<p:x xmlns:p="urn:p" a="1"/><auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="X">=</auth>`)
		c.waits()
		p.says(` `).isTaken(true) // it lives
		c.waits()
		p.says(`<message from="b@kith.example"><body>"so"</body><f xmlns="urn:f"><message xmlns="jabber:client"/></f></message>` +
			`<iq/><r xmlns="urn:xmpp:sm:3"/>`).isTaken(true)
		c.gets(`<body xmlns="` + nsBody + `"><message xmlns="jabber:client" from="b@kith.example"><body>"so"</body><f xmlns="urn:f">` +
			`<message xmlns="jabber:client"/></f></message><iq xmlns="jabber:client"/><r xmlns="urn:xmpp:sm:3"/></body>`)
	})
}

// What is written in pieces is taken apart as if it had come at once.
func TestServerWritesInPieces(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin("")
		c := w.post("", "")
		for _, piece := range []string{"<iq ", "id='1'/", "><iq id="} {
			p.says(piece).isTaken(true)
		}
		c.gets(`<body xmlns="` + nsBody + `"><iq xmlns="jabber:client" id='1'/></body>`)
		c = w.post("", "")
		p.says("'2'/>").isTaken(true)
		c.gets(`<body xmlns="` + nsBody + `"><iq xmlns="jabber:client" id='2'/></body>`)
	})
}

// XEP-0206 §5
func TestRestart(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin(`xml:lang="fr"`)
		c := w.post("", `<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
		p.heard()
		p.says(success).isTaken(true)
		c.gets(`<body xmlns="` + nsBody + `">` + success + `</body>`)
		c = w.post(`xmpp:restart="true" from="a@kith.example" xmlns:xmpp="urn:xmpp:xbosh"`, `<presence/>`)
		p.hear(`<stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" to="kith.example"` +
			` from="a@kith.example" version="1.0" xml:lang="fr">`)
		p.says(header + features).isTaken(true)
		c.gets(`<body xmlns="` + nsBody + `" xmlns:stream="http://etherx.jabber.org/streams">` + features + `</body>`)

		// Once is enough.
		w.post(`xmpp:restart="1" xmlns:xmpp="urn:xmpp:xbosh"`, "").gets(terminated("bad-request"))
		if _, err := p.heard(); err != io.EOF {
			t.Errorf("the connection: %v", err)
		}
	})
}

// A server that has an error to say after the log-in, before the client has begun the stream anew, begins it itself
// (RFC 6120 §4.9.1.2), at once or later.
func TestErrorInsteadOfRestart(t *testing.T) {
	const streamError = `<stream:error><system-shutdown xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`
	for name, said := range map[string][]string{
		"in one piece": {success + header + streamError + `</stream:stream>`},
		"one by one":   {success, header + streamError + `</stream:stream>`},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(w *world) {
				p := w.begin("")
				c := w.post("", `<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`)
				p.heard()
				for _, s := range said {
					p.says(s).isTaken(true)
				}
				if len(said) > 1 {
					c.gets(`<body xmlns="` + nsBody + `">` + success + `</body>`)
					c = w.post("", "")
					c.gets(`<body xmlns="` + nsBody + `" type="terminate" condition="remote-stream-error" xmlns:stream="http://etherx.jabber.org/streams">` + streamError + `</body>`)
					return
				}
				c.gets(`<body xmlns="` + nsBody + `" type="terminate" condition="remote-stream-error" xmlns:stream="http://etherx.jabber.org/streams">` +
					success + streamError + `</body>`)
			})
		})
	}
}

// XEP-0206 §6: a stream error of the server, and what stood before it.
func TestServerEndsTheStream(t *testing.T) {
	const streamError = `<stream:error><conflict xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`
	said := `<body xmlns="` + nsBody + `" type="terminate" condition="remote-stream-error" xmlns:stream="http://etherx.jabber.org/streams">` +
		`<message xmlns="jabber:client"/>` + streamError + `</body>`
	t.Run("while a request waits", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin("")
			c := w.post("", "")
			p.says(`<message/>` + streamError + `</stream:stream>`).isTaken(true)
			c.gets(said)
			p.hear(`</stream:stream>`)
			w.post("", "").gets(terminated("item-not-found"))
		})
	})
	t.Run("while none waits", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin("")
			p.says(`<message/>` + streamError + `</stream:stream>`).isTaken(true)
			p.hear(`</stream:stream>`)
			p.Close()
			w.post("", "").gets(said)
			w.post("", "").gets(terminated("item-not-found"))
		})
	})
	t.Run("in good order", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin(`hold="2"`)
			a, b := w.post("", "<presence/>"), w.post("", "<presence/>")
			p.says(`</stream:stream>`).isTaken(true)
			a.gets(`<body xmlns="` + nsBody + `" type="terminate"/>`)
			b.gets(empty)
		})
	})
	t.Run("by cutting it", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin("")
			c := w.post("", "")
			p.Close()
			c.gets(terminated("remote-connection-failed"))
		})
	})
	t.Run("at once", func(t *testing.T) {
		play(t, func(w *world) {
			c := w.post(`to="kith.example" ver="1.11"`, "")
			(<-w.conns).says(header + streamError + `</stream:stream>`).isTaken(true)
			if got := c.root(); got.Attr("condition") != "remote-stream-error" || got.HasAttr("sid") {
				t.Errorf("got %s", c.rec.Body)
			}
		})
	})
	t.Run("with something that is no XML", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin("")
			c := w.post("", "")
			if err := p.says(`<message></presence>`).failed(); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("error %v", err)
			}
			c.gets(terminated("internal-server-error"))
		})
	})
}

// XEP-0124 §13
func TestTerminate(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin("")
		held := w.post("", "")
		end := w.post(`type="terminate"`, `<presence type="unavailable" xmlns="jabber:client"/>`)
		held.gets(`<body xmlns="` + nsBody + `" type="terminate"/>`)
		end.gets(empty)
		p.hear(`<presence type="unavailable" xmlns="jabber:client"/></stream:stream>`)
		if err := p.says(`<message/>`).failed(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("a message after the end: %v", err)
		}
		w.post("", "").gets(terminated("item-not-found"))
	})
}

// What the server has not read when it closes the connection because a write failed, it can still read.
func TestTerminateIsReadAfterClose(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin("")
		p.hears(false)
		p.says("<iq/>").isTaken(false)
		time.Sleep(time.Millisecond)
		w.post("", "").answer() // which the deaf server wrote
		s := p.says("<iq/>")
		w.post(`type="terminate"`, `<message/>`).answer()
		s.isTaken(true)
		p.Close()
		p.hears(true)
		time.Sleep(time.Second)
		if got, err := p.heard(); got != "<message/></stream:stream>" || !errors.Is(err, net.ErrClosed) {
			t.Errorf("heard %s and %v", got, err)
		}
	})
}

// The sessions that have not logged in are counted, and those that have are not.
func TestStrangers(t *testing.T) {
	play(t, func(w *world) {
		const to = `to="kith.example" ver="1.11" hold="0"`
		var first *peer
		for i := range 5000 { // as many as there may be
			if got := w.post(to, "").root(); got.Attr("sid") == "" {
				t.Fatalf("%d: %s", i, got.Raw())
			} else if i == 0 {
				w.sid = got.Attr("sid")
				first = <-w.conns
			}
			if i == 0 {
				first.says(header)
				s := first.says(success)
				w.at(w.rid+1, "", "").answer()
				s.isTaken(true)
				w.sid = ""
			}
		}
		if got := w.post(to, "").root(); got.Attr("sid") == "" {
			t.Fatalf("one has logged in, and yet: %s", got.Raw())
		}
		w.post(to, "").gets(terminated("internal-server-error"))
		time.Sleep(90 * time.Second) // they are given up
		for len(w.conns) > 0 {
			(<-w.conns).Close()
		}
		if got := w.post(to, "").root(); got.Attr("sid") == "" {
			t.Fatalf("all have gone, and yet: %s", got.Raw())
		}
		first.Close()
	})
}

// A gateway that stops: who waits hears from the server, who does not is gone.
func TestRunEnds(t *testing.T) {
	play(t, func(w *world) {
		away := w.begin("")
		w.sid = ""
		here := w.begin("")
		c := w.post("", "")
		w.stop()
		if _, err := away.heard(); err != io.EOF {
			t.Errorf("who is away: %v", err)
		}
		c.waits()
		if s, err := here.heard(); s != "" || err != nil {
			t.Errorf("who is here: %q %v", s, err)
		}
		w.sid = ""
		w.post(`to="kith.example" ver="1.11"`, "").gets(terminated("system-shutdown"))
		here.says(`<iq/>`).isTaken(true)
		c.gets(`<body xmlns="` + nsBody + `"><iq xmlns="jabber:client"/></body>`)
		if _, err := here.heard(); err != io.EOF {
			t.Errorf("who was here: %v", err)
		}
		away.Close()
		here.Close()
	})
}

// The server's end behaves as a connection does.
func TestConnection(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin("")
		if p.LocalAddr().Network() != "bosh" || p.RemoteAddr().String() != "bosh" {
			t.Errorf("addresses %v, %v", p.LocalAddr(), p.RemoteAddr())
		}
		p.SetReadDeadline(time.Now().Add(time.Second))
		time.Sleep(time.Second)
		if _, err := p.heard(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		p.SetDeadline(time.Now().Add(time.Second))
		s := p.says("<iq id='1'/>")
		s.isTaken(false)
		time.Sleep(time.Second)
		if err := s.failed(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		p.SetDeadline(time.Time{})
		go p.listen()
		w.post("", "<presence/>").gets(`<body xmlns="` + nsBody + `"><iq xmlns="jabber:client" id='1'/></body>`)
		p.hear("<presence/>")
		s = p.says("<iq id='2'/>")
		p.Close()
		if err := s.failed(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write while it is closed: %v", err)
		}
		if err := p.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("close: %v", err)
		}
		if _, err := p.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write: %v", err)
		}
	})
}
