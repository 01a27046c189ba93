// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// open opens connections in all ways there are, each from an address of its own, and leaves them.
func (o order) open() ([]net.Conn, report) {
	var mu sync.Mutex
	var list []net.Conn
	var r report
	var wg sync.WaitGroup
	next := atomic.Int64{}
	for range 16 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= o.N {
					return
				}
				c, err := o.sit(i)
				mu.Lock()
				if err == nil {
					list = append(list, c)
					r.Opened++
				} else if r.Problem == "" {
					r.Problem = err.Error()
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return list, r
}

// sit opens connection number i.
func (o order) sit(i int) (net.Conn, error) {
	from := net.IPv4(127, 1+byte(i>>16), byte(i>>8), byte(i))
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: closing}
	switch i % 4 {
	case 0: // says nothing
		return d.Dial("tcp", o.Clients)
	case 1: // begins a stream
		c, err := d.Dial("tcp", o.Clients)
		if err != nil {
			return nil, err
		}
		return c, exchange(c, header, "</stream:features>")
	case 2: // over TLS
		c, err := d.Dial("tcp", o.TLS)
		if err != nil {
			return nil, err
		}
		s := tls.Client(c, trusting())
		ctx, cancel := context.WithTimeout(context.Background(), closing)
		defer cancel()
		if err := s.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return s, exchange(s, header, "</stream:features>")
	default: // a WebSocket, behind the proxy, which has one address
		c, err := net.DialTimeout("tcp", o.Web, closing)
		if err != nil {
			return nil, err
		}
		return c, errors.Join(exchange(c, upgrade(someAddress()), "\r\n\r\n"), exchange(c, frame(text, openWebSocket), "</stream:features>"))
	}
}

// someAddress is one of many.
func someAddress() string {
	n := mathrand.Uint32()
	return fmt.Sprintf("10.%d.%d.%d", byte(n>>16), byte(n>>8), byte(n))
}

// exchange says something and reads up to the answer.
func exchange(c net.Conn, say, answer string) error {
	_, err := converse(c, time.Now().Add(closing), say, answer)
	return err
}

// converse is exchange, until a deadline. It returns what was read.
func converse(c net.Conn, end time.Time, say, answer string) (string, error) {
	_ = c.SetDeadline(end)
	if _, err := io.WriteString(c, say); err != nil {
		return "", err
	}
	var got strings.Builder
	buf := make([]byte, 2048)
	for !strings.Contains(got.String(), answer) {
		n, err := c.Read(buf)
		got.Write(buf[:n])
		if err != nil {
			return got.String(), err
		}
	}
	return got.String(), c.SetDeadline(time.Time{})
}

// open counts the connections that the server has not ended.
func open(list []net.Conn) (n int) {
	for _, c := range list {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); os.IsTimeout(err) {
			n++
		}
	}
	return n
}

// guess tries passwords, N a second, each over a connection of its own.
func (o order) guess() report {
	var mu sync.Mutex
	r := report{Seconds: o.Seconds}
	var wg sync.WaitGroup
	under := make(chan struct{}, 4000) // way at once
	every := time.Second / time.Duration(o.N)
	begin := time.Now()
	end := begin.Add(time.Duration(o.Seconds)*time.Second + 2*time.Second) // nobody waits longer
	for i := 0; time.Since(begin) < time.Duration(o.Seconds)*time.Second; i++ {
		if ahead := time.Duration(i)*every - time.Since(begin); ahead > 0 {
			time.Sleep(ahead)
		}
		under <- struct{}{}
		wg.Go(func() {
			defer func() { <-under }()
			name := rand.Text()
			if i%10 == 0 {
				name = "juliet"
			}
			got, err := o.try(name, end)
			mu.Lock()
			defer mu.Unlock()
			r.Opened++
			switch {
			case strings.Contains(got, "<not-authorized"):
				r.Wrong++
			case errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "reset"):
				r.Cut++
			case os.IsTimeout(err):
				r.Late++
			default:
				r.Other++
				if r.Problem == "" {
					r.Problem = fmt.Sprintf("%v after %q", err, got)
				}
			}
		})
	}
	wg.Wait()
	return r
}

// try is one log-in with a wrong password, which has until end. It returns what the server said last.
func (o order) try(name string, end time.Time) (string, error) {
	c, err := net.DialTimeout("tcp", o.Web, closing)
	if err != nil {
		return "", err
	}
	defer c.Close()
	converse := func(say, answer string) (string, error) { return converse(c, end, say, answer) }
	if got, err := converse(upgrade(someAddress()), "\r\n\r\n"); err != nil {
		return got, err
	}
	if got, err := converse(frame(text, openWebSocket), "</stream:features>"); err != nil {
		return got, err
	}
	first := base64.StdEncoding.EncodeToString([]byte("n,,n=" + name + ",r=" + rand.Text()))
	got, err := converse(frame(text, `<auth xmlns="`+nsSASL+`" mechanism="SCRAM-SHA-256">`+first+`</auth>`), "</challenge>")
	if err != nil {
		return got, err
	}
	_, got, _ = strings.Cut(got, ">")
	got, _, _ = strings.Cut(got, "<")
	challenge, err := base64.StdEncoding.DecodeString(got)
	if err != nil {
		return got, err
	}
	nonce, _, _ := strings.Cut(string(challenge), ",")
	proof := make([]byte, 32)
	rand.Read(proof)
	final := base64.StdEncoding.EncodeToString([]byte("c=biws," + nonce + ",p=" + base64.StdEncoding.EncodeToString(proof)))
	return converse(frame(text, `<response xmlns="`+nsSASL+`">`+final+`</response>`), "</failure>")
}
