// SPDX-License-Identifier: Apache-2.0

package bosh_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A client whose connections break all the time, and which asks again as XEP-0124 §14.3 says, loses nothing, gets
// nothing twice and has everything in order, in both directions.
func TestLossyNetwork(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			play(t, func(w *world) { lossy(w, rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))) })
		})
	}
}

// lossy is the story, with chance for client and server.
func lossy(w *world, r, server *rand.Rand) {
	const rounds = 150
	p := w.begin(fmt.Sprintf(`hold="%d" wait="5"`, 1+r.IntN(2)))
	wrote := make(chan int) // how many iqs the server wrote before its writing failed
	go func() {             // ends with the connection
		n := 0
		for {
			time.Sleep(time.Duration(server.IntN(2000)) * time.Millisecond)
			if _, err := fmt.Fprintf(p, "<iq id='%d'/>", n); err != nil {
				wrote <- n
				return
			}
			n++
		}
	}()

	sent := 0
	var want strings.Builder // what the server is to hear
	got := 0                 // how many iqs have come
	for range rounds {
		payload := ""
		for range r.IntN(3) {
			s := fmt.Sprintf("<iq id='%d'/>", sent)
			payload += s
			want.WriteString(s)
			sent++
		}
		w.rid++
		answer := w.insist(r, w.rid, payload)
		for n := range answer.Children() {
			if id := n.Attr("id"); id != fmt.Sprint(got) {
				w.Fatalf("got %s as number %d", id, got)
			}
			got++
		}
		time.Sleep(time.Duration(r.IntN(3000)) * time.Millisecond)
	}
	if s, err := p.heard(); s != want.String() || err != nil {
		w.Errorf("the server heard %q, %v, want %q", s, err, want.String())
	}
	p.Close()
	// The server knows of one element more that the client has, at most: of the answer that was under way.
	if n := <-wrote; n != got && n != got+1 {
		w.Errorf("the server has got rid of %d, the client has %d", n, got)
	}
	if sent == 0 || got == 0 {
		w.Errorf("nothing happened: sent %d, got %d", sent, got)
	}
}

// insist sends a request until its answer gets through.
func (w *world) insist(r *rand.Rand, rid int, payload string) xmlstream.Node {
	for try := 0; ; try++ {
		c := w.at(rid, "", payload)
		lose := try < 8 && r.IntN(2) == 0
		switch {
		case lose && r.IntN(2) == 0: // on its way there, or while it waits
			time.Sleep(time.Duration(r.IntN(4000)) * time.Millisecond)
			c.cancel()
			continue
		case lose: // the answer
			<-c.done
			continue
		}
		<-c.done
		synctest.Wait()
		root := c.root()
		if root.Attr("type") != "" {
			w.Fatalf("request %d, try %d: %s", rid, try, root.Raw())
		}
		return root
	}
}
