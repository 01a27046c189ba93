// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// A request is raw HTTP and the status that it gets; 0: the connection ends without one.
type request struct {
	name, send string
	status     int
}

func get(path, more string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n"
}

func post(path, more, body string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n" + more + "\r\n" + body
}

// do sends requests, each over a connection of its own that is to be over with the answer.
func (w *world) do(t *testing.T, requests []request) {
	t.Helper()
	var list []test
	for _, r := range requests {
		list = append(list, test{r.name, func(t *testing.T) {
			c := dial(t, w.web())
			go c.write(r.send) // ends with the connection
			got := c.rest(t, closing)
			if r.status == 0 && got == "" {
				return
			}
			if !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", r.status)) && !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.0 %d ", r.status)) {
				t.Errorf("the server said %.200q, want %d", got, r.status)
			}
		}})
	}
	together(t, list)
}

const last = "Connection: close\r\n"

// testHTTP has requests that are ill-formed, too long or meant for somebody else.
func (w *world) testHTTP(t *testing.T) {
	const (
		form    = "Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://localhost\r\n" + last
		chunked = "POST /invite/x/register HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n" + form + "\r\n"
	)
	w.do(t, []request{
		{"garbage", "\x00\x01\x02\xff\r\n\r\n", 400},
		{"XMPP", header + "\r\n\r\n", 400},
		{"HTTP 2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		{"HTTP 0.9", "GET /\r\n\r\n", 400},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400},
		{"two hosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400},
		{"another host", "GET / HTTP/1.1\r\nHost: evil.example\r\n" + last + "\r\n", 421},
		{"another host, absolute", "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n" + last + "\r\n", 421},
		{"as if we were a proxy", "CONNECT localhost:25 HTTP/1.1\r\nHost: localhost:25\r\n" + last + "\r\n", 404},
		{"a path too long", get("/"+strings.Repeat("a", 1<<20), last), 431},
		{"a header too long", get("/", "X: "+strings.Repeat("a", 1<<20)+"\r\n"+last), 431},
		{"too many headers", get("/", strings.Repeat("A: b\r\n", 1<<17)+last), 431},
		{"a header with a space", get("/", "A : b\r\n"+last), 400},
		{"a header in two lines", get("/", "A: b\r\n c\r\n"+last), 200}, // obsolete, and a server may join them
		{"NUL in a header", get("/", "A: b\x00c\r\n"+last), 400},
		{"two lengths", "POST /invite/x/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		{"a length below zero", "POST /invite/x/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400},
		{"a length and chunks", "POST /invite/x/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n" + last + "\r\n0\r\n\r\n", 404},
		{"a transfer coding of its own", "POST /invite/x/register HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\n\r\n", 501},
		{"chunks that are none", chunked + "hello\r\n", 400},
		{"a body too long", post("/invite/x/register", form, strings.Repeat("a", 1<<20)), 413},
		{"a method that is none", "BREW / HTTP/1.1\r\nHost: localhost\r\n" + last + "\r\n", 405},
		{"up and away", get("/assets/../../../../etc/passwd", last), 307}, // to the path without the dots
		{"up and away, in disguise", get("/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd", last), 404},
		{"NUL in a path", get("/a%00b", last), 404},
		{"a header that expects", post("/invite/x/register", "Expect: the-unexpected\r\n"+last, ""), 417},
	})
}

// testBOSH has bodies that are none (XEP-0124 §17.2).
func (w *world) testBOSH(t *testing.T) {
	const ns = "http://jabber.org/protocol/httpbind"
	body := func(attrs, inner string) string {
		return "<body xmlns='" + ns + "' xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0' to='localhost' rid='1' wait='1' hold='1' " + attrs + ">" + inner + "</body>"
	}
	var list []request
	for name, b := range map[string]string{
		"no XML":              "hello",
		"nothing":             "",
		"another namespace":   "<body xmlns='b' rid='1'/>",
		"no rid":              "<body xmlns='" + ns + "' to='localhost'/>",
		"a rid that is none":  "<body xmlns='" + ns + "' to='localhost' rid='x'/>",
		"an unknown session":  "<body xmlns='" + ns + "' sid='x' rid='1'/>",
		"another host":        strings.Replace(body("", ""), "localhost", "elsewhere.example", 1),
		"a document type":     "<!DOCTYPE a [<!ENTITY b 'c'>]>" + body("", ""),
		"too deep":            body("", strings.Repeat("<a>", 10_000)),
		"too many attributes": body(manyNamespaces(), ""),
	} {
		list = append(list, request{name, post("/http-bind", last+"Content-Type: text/xml\r\n", b), 200}) // and terminate
	}
	list = append(list,
		request{"too long", post("/http-bind", last, strings.Repeat("a", 4<<20)), 200},
		request{"another page", post("/http-bind", last+"Origin: https://evil.example\r\n", body("", "")), 403},
		request{"by PUT", strings.Replace(post("/http-bind", last, body("", "")), "POST", "PUT", 1), 405},
	)
	w.do(t, list)
}
