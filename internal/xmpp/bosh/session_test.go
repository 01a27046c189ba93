// SPDX-License-Identifier: Apache-2.0

package bosh_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// with is a body with one iq of that id.
func with(id string) string {
	return `<body xmlns="` + nsBody + `"><iq xmlns="jabber:client" id="` + id + `"/></body>`
}

// A request is answered when there is something to say, when it has waited, or when another one waits (XEP-0124 §8).
func TestRequestsWait(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin(`wait="20"`)
		a := w.post("", "")
		time.Sleep(20*time.Second - 1)
		a.waits()
		time.Sleep(time.Nanosecond)
		a.gets(empty)

		a = w.post("", "")
		p.says(`<iq id="1"/>`)
		a.gets(with("1"))

		a = w.post("", "")
		b := w.post("", "<presence/>")
		a.gets(empty)
		b.waits()
		p.hear("<presence/>")

		s := p.says(`<iq id="2"/>`)
		b.gets(with("2"))
		s.isTaken(true)
		s = p.says(`<iq id="3"/>`) // nobody is there
		time.Sleep(10 * time.Second)
		s.isTaken(false)
		w.post("", "").gets(with("3"))
		s.isTaken(true)
	})
}

// Of two requests that may wait, the older one is answered first, and a third one is one too many.
func TestTwoRequestsWait(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin(`hold="2"`)
		a, b := w.post("", "<presence/>"), w.post("", "<presence/>")
		a.waits()
		b.waits()
		p.says(`<iq id="1"/>`).isTaken(true)
		a.gets(with("1"))
		b.waits()
		c := w.post("", "<presence/>")
		b.waits()
		d := w.post("", "<presence/>")
		b.gets(empty)
		c.waits()
		time.Sleep(time.Minute)
		c.gets(empty)
		d.gets(empty)
	})
}

// XEP-0124 §14.2: the server reads in order, and the client hears in order.
func TestRequestsOutOfOrder(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin(`hold="2" wait="20"`)
		n := w.rid
		c := w.at(n+3, "", "<iq id='3'/>")
		b := w.at(n+2, "", "<iq id='2'/>")
		time.Sleep(30 * time.Second) // for long enough to be answered, were it not for the first
		p.hear("")
		c.waits()
		a := w.at(n+1, "", "<iq id='1'/>")
		p.hear("<iq id='1'/><iq id='2'/><iq id='3'/>")
		a.gets(empty)
		b.gets(empty)
		c.gets(empty)
	})
	t.Run("a gap that stays", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin("")
			c := w.at(w.rid+2, "", "<presence/>")
			time.Sleep(60 * time.Second)
			c.gets(terminated("item-not-found"))
			if s, err := p.heard(); s != "" || err != io.EOF {
				t.Errorf("the server heard %q, %v", s, err)
			}
		})
	})
}

// XEP-0124 §14.2, §14.3: what is too far ahead or behind ends the session, in one way.
func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		name, attrs string
		by          int // from the last one
		ends        bool
	}{
		{"next", "", 1, false},
		{"the last of the window", "", 2, false},
		{"one more", "", 3, true},
		{"one more, to end", `type="terminate"`, 3, false},
		{"two more, to end", `type="terminate"`, 4, true},
		{"one more, to pause", `pause="10"`, 3, false},
		{"the first one again", "", -3, false},
		{"one that is forgotten", "", -4, true},
		{"far behind", "", -1 << 30, true},
		{"far ahead", "", 1 << 30, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(w *world) {
				p := w.begin("")
				for range 4 { // two more than are kept
					c := w.post("", "<presence/>")
					p.says("<presence/>")
					c.answer()
				}
				p.heard()
				c := w.at(w.rid+tt.by+1*min(1, max(0, -tt.by)), tt.attrs, "")
				_, err := p.heard()
				if (err == io.EOF) != tt.ends {
					t.Errorf("the connection: %v", err)
				}
				if tt.ends {
					c.gets(terminated("item-not-found"))
					w.post("", "").gets(terminated("item-not-found"))
				}
			})
		})
	}
}

// XEP-0124 §14.3: answers get lost.
func TestRepeat(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin("")
		c := w.post("", "<presence/>")
		p.hear("<presence/>")
		p.says(`<iq id="1"/>`)
		c.gets(with("1"))
		w.at(w.rid, "", "<presence/>").gets(with("1"))
		w.at(w.rid, "", "<presence/>").gets(with("1"))
		p.hear("") // it was told once

		// One that waits: the latest gets the answer (XEP-0124 §17.3).
		a := w.post("", "")
		b := w.at(w.rid, "", "")
		a.gets(`<body xmlns="` + nsBody + `" type="error"/>`)
		b.waits()
		p.says(`<iq id="2"/>`)
		b.gets(with("2"))
		w.at(w.rid-1, "", "").gets(with("1")) // still there
	})
	t.Run("without end", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin("")
			w.post("", "")
			for range 10 {
				w.at(w.rid, "", "").waits()
			}
			w.at(w.rid, "", "").gets(terminated("policy-violation"))
			if _, err := p.heard(); err != io.EOF {
				t.Errorf("the connection: %v", err)
			}
		})
	})
}

// A client whose connection breaks while its request waits gets what comes on the next.
func TestConnectionBreaks(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin("")
		a := w.post("", "")
		a.cancel()
		if got := a.answer(); got != "" {
			t.Errorf("it got %s", got)
		}
		s := p.says(`<iq id="1"/>`)
		s.isTaken(false)
		w.at(w.rid, "", "").gets(with("1"))
		s.isTaken(true)

		// Or it goes on as if it had been answered.
		w.post("", "").cancel()
		s = p.says(`<iq id="2"/>`)
		s.isTaken(false)
		w.post("", "<presence/>").gets(with("2"))
		s.isTaken(true)
		w.at(w.rid-1, "", "").gets(empty)

		// Or it never comes back.
		w.post("", "").cancel()
		s = p.says(`<iq id="3"/>`)
		time.Sleep(time.Minute)
		if err := s.failed(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write: %v", err)
		}
		w.post("", "").gets(terminated("item-not-found"))
	})
}

// XEP-0124 §9.1
func TestAcknowledgements(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin(`ack="1"`)
		a := w.post("", "")
		b := w.post("", "<presence/>")
		a.gets(fmt.Sprintf(`<body xmlns="%s" ack="%d"/>`, nsBody, w.rid))
		p.says(`<iq id="1"/>`)
		b.gets(with("1")) // it is the highest itself
	})
}

// XEP-0124 §10
func TestInactivity(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin(`wait="50"`)
		time.Sleep(59 * time.Second)
		c := w.post("", "")
		time.Sleep(50 * time.Second) // it waits: no time runs
		c.gets(empty)
		time.Sleep(60*time.Second - 1)
		if _, err := p.heard(); err != nil {
			t.Fatalf("ended too early: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if s, err := p.heard(); s != "" || err != io.EOF { // lost, not closed
			t.Fatalf("the server heard %q, %v", s, err)
		}
		w.post("", "").gets(terminated("item-not-found"))
	})
	t.Run("polling", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin(`hold="0"`)
			time.Sleep(90*time.Second - 1)
			w.post("", "").gets(empty)
			time.Sleep(90 * time.Second)
			if _, err := p.heard(); err != io.EOF {
				t.Errorf("the connection: %v", err)
			}
		})
	})
	t.Run("after the server's end", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin("")
			p.says("</stream:stream>").isTaken(true)
			time.Sleep(time.Minute)
			p.hear("</stream:stream>")
			w.post("", "").gets(terminated("item-not-found"))
		})
	})
}

// XEP-0124 §10
func TestPause(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin(`hold="2"`)
		a, b := w.post("", "<iq id='1'/>"), w.post("", "<iq id='2'/>")
		c := w.post(`pause="120"`, "<iq id='3'/>")
		a.gets(empty)
		b.gets(empty)
		c.gets(empty)
		p.hear("<iq id='1'/><iq id='2'/><iq id='3'/>")
		p.SetWriteDeadline(time.Now().Add(time.Minute))
		s := p.says(`<iq id="1"/>`)
		time.Sleep(119 * time.Second)
		s.isTaken(false) // the client said that it would be away
		w.post("", "").gets(with("1"))
		time.Sleep(60 * time.Second) // as before
		if _, err := p.heard(); err != io.EOF {
			t.Errorf("the connection: %v", err)
		}
	})
	t.Run("to be ended early", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin("")
			w.post(`pause="3"`, "").gets(empty)
			time.Sleep(3 * time.Second)
			if _, err := p.heard(); err != io.EOF {
				t.Errorf("the connection: %v", err)
			}
		})
	})
	t.Run("for too long", func(t *testing.T) {
		play(t, func(w *world) {
			w.begin("")
			w.post(`pause="121"`, "").gets(terminated("policy-violation"))
		})
	})
}

// XEP-0124 §11, §12
func TestOveractivity(t *testing.T) {
	for _, tt := range []struct {
		name, begin string
		wait        time.Duration // between two requests
		first       string        // payload
		second      string
		says        string // of the server, in between
		ends        bool
	}{
		{"asking twice at once", "", time.Second, "", "", "", true},
		{"asking again", "", 2 * time.Second, "", "", "", false},
		{"having something to say", "", 0, "", "<presence/>", "", false},
		{"asking again after an answer", "", 0, "", "", "<iq/>", false},
		{"asking besides", "", 0, "<presence/>", "", "", true},
		{"asking twice where three may wait", `hold="2"`, 0, "", "", "", false},
		{"polling", `hold="0"`, 2 * time.Second, "", "", "", false},
		{"polling too often", `hold="0"`, time.Second, "", "", "", true},
		{"polling too often without wait", `wait="0"`, time.Second, "", "", "", true},
		{"polling while there is more", `hold="0"`, 0, "", "", "before", false},
		{"polling after having said something", `hold="0"`, 0, "<presence/>", "", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(w *world) {
				p := w.begin(tt.begin)
				if strings.Contains(tt.begin, `"0"`) {
					p.says(features)
					w.post("", "").answer()
					time.Sleep(time.Minute)
				}
				if tt.says == "before" {
					p.says("<iq/>")
				}
				w.post("", tt.first)
				time.Sleep(tt.wait)
				if tt.says == "<iq/>" {
					p.says("<iq/>")
				}
				c := w.post("", tt.second)
				_, err := p.heard()
				if (err == io.EOF) != tt.ends {
					t.Errorf("the connection: %v", err)
				}
				if tt.ends {
					c.gets(terminated("policy-violation"))
				}
			})
		})
	}
}

// A client of the early days knows the statuses of HTTP (XEP-0124 §17.1).
func TestLegacy(t *testing.T) {
	play(t, func(w *world) {
		c := w.post(`to="kith.example"`, "")
		p := <-w.conns
		p.says(header + features)
		root := c.root()
		if root.HasAttr("ver") {
			t.Errorf("a version for who told none: %s", root.Raw())
		}
		w.sid = root.Attr("sid")
		w.post("", "")
		c = w.post("", "")
		if c.gets(terminated("policy-violation")); c.rec.Code != 403 {
			t.Errorf("status %d", c.rec.Code)
		}
	})
	t.Run("item-not-found", func(t *testing.T) {
		play(t, func(w *world) {
			c := w.post(`to="kith.example"`, "")
			(<-w.conns).says(header + features)
			w.sid = c.root().Attr("sid")
			if c = w.at(w.rid+9, "", ""); c.answer() != terminated("item-not-found") || c.rec.Code != 404 {
				t.Errorf("%d %s", c.rec.Code, c.rec.Body)
			}
		})
	})
}

// A client that has not been given what the server wrote holds the server up, up to its deadline.
func TestServerWaits(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin("")
		s := p.says(`<iq id="1"/>`)
		time.Sleep(30 * time.Second)
		s.isTaken(false)
		w.post("", "").gets(with("1"))
		s.isTaken(true)
		p.SetWriteDeadline(time.Now().Add(20 * time.Second))
		s = p.says(`<iq id="2"/>`)
		time.Sleep(20 * time.Second)
		if err := s.failed(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
	})
}

// A server that does not read holds the client up, whatever the client does.
func TestClientWaits(t *testing.T) {
	play(t, func(w *world) {
		p := w.begin(`wait="10"`)
		w.post("", "").cancel()
		p.says(success).isTaken(false)
		w.at(w.rid, "", "").answer() // it has logged in
		p.hears(false)
		c := w.post("", "<presence/>") // which wakes the server for the last time
		p.says(`<iq id="0"/>`)
		c.gets(with("0"))

		big := `<message><body>` + strings.Repeat("x", 200<<10) + `</body></message>`
		a, b := w.post("", big), w.post("", big)
		time.Sleep(time.Minute)
		a.waits()
		b.waits()
		p.says(`<iq id="1"/>`).isTaken(true) // it may be waiting for this
		a.gets(with("1"))
		b.waits()
		p.hears(true)
		time.Sleep(time.Second)
		b.gets(empty)
		if got, _ := p.heard(); got != "<presence/>"+big+big {
			t.Errorf("the server heard %d bytes", len(got))
		}
	})
	t.Run("and one that goes on", func(t *testing.T) {
		play(t, func(w *world) {
			p := w.begin("")
			w.post("", "").cancel()
			p.says(success)
			w.at(w.rid, "", "").answer()
			p.hears(false)
			c := w.post("", "<presence/>")
			p.says(`<iq id="0"/>`)
			c.gets(with("0"))
			big := `<message><body>` + strings.Repeat("x", 200<<10) + `</body></message>`
			w.post("", big)
			w.post("", big)
			w.post("", "<presence/>").gets(terminated("policy-violation"))
		})
	})
}
