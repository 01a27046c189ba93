// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// ErrNoUpgrade says that a request asked for no WebSocket that we could give it. The answer was sent.
var ErrNoUpgrade = errors.New("stream: no websocket")

// acceptGUID is what a server appends to the client's key to show that it understood (RFC 6455 §1.3).
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// upgradeTimeout is how long writing the answer to the handshake may take.
const upgradeTimeout = 10 * time.Second

// Upgrade answers the opening handshake of a WebSocket (RFC 6455 §4.2) for the subprotocol xmpp (RFC 7395 §3.1)
// and takes the connection over from net/http; what comes back is for NewWebSocket, and the caller's. checkOrigin
// says whether the page that asks may; it also sees requests without an Origin header, which browsers never send.
//
// Where it returns an error, the request was answered or its connection closed: 400 for a handshake that is wrong
// or does not offer xmpp, 403 for the origin, 426 for another version or no WebSocket at all.
//
// net/http keeps its buffers as long as the handler runs. So a handler starts the stream's goroutine and returns.
func Upgrade(w http.ResponseWriter, r *http.Request, checkOrigin func(*http.Request) bool) (net.Conn, *bufio.Reader, error) {
	refuse := func(status int, why string) (net.Conn, *bufio.Reader, error) {
		http.Error(w, why, status)
		return nil, nil, fmt.Errorf("%w: %s", ErrNoUpgrade, why)
	}
	key := r.Header.Get("Sec-WebSocket-Key")
	switch nonce, err := base64.StdEncoding.DecodeString(key); {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		return refuse(http.StatusMethodNotAllowed, "a WebSocket begins with GET")
	case r.ProtoMajor != 1 || r.ProtoMinor < 1: // RFC 6455 §4.2.1
		return refuse(http.StatusHTTPVersionNotSupported, "a WebSocket needs HTTP/1.1")
	case !hasToken(r.Header, "Upgrade", "websocket") || !hasToken(r.Header, "Connection", "upgrade"):
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		return refuse(http.StatusUpgradeRequired, "this address speaks WebSocket only")
	case r.Header.Get("Sec-WebSocket-Version") != "13": // RFC 6455 §4.4
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Sec-WebSocket-Version", "13")
		return refuse(http.StatusUpgradeRequired, "WebSocket version 13 only")
	case err != nil || len(nonce) != 16:
		return refuse(http.StatusBadRequest, "Sec-WebSocket-Key is missing or wrong")
	case !hasToken(r.Header, "Sec-WebSocket-Protocol", "xmpp"): // RFC 7395 §3.1
		return refuse(http.StatusBadRequest, "the subprotocol xmpp is not offered")
	case !checkOrigin(r): // RFC 6455 §10.2
		return refuse(http.StatusForbidden, "this origin may not connect")
	}

	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return refuse(http.StatusInternalServerError, "no connection to take over")
	}
	// What net/http set for its own reading and writing must not end the stream.
	err = c.SetDeadline(time.Time{})
	if err == nil {
		err = c.SetWriteDeadline(time.Now().Add(upgradeTimeout))
	}
	if err == nil {
		_, err = c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\n" +
			"Upgrade: websocket\r\n" +
			"Connection: Upgrade\r\n" +
			"Sec-WebSocket-Accept: " + acceptKey(key) + "\r\n" +
			"Sec-WebSocket-Protocol: xmpp\r\n\r\n"))
	}
	if err == nil {
		err = c.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		_ = c.Close() // the peer is gone; nothing to tell
		return nil, nil, fmt.Errorf("websocket handshake: %w", err)
	}
	return c, rw.Reader, nil
}

// acceptKey is the value of Sec-WebSocket-Accept for a client's key (RFC 6455 §4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// hasToken says whether one of a header's comma separated values is token; letters of either case.
func hasToken(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for v := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(v), token) {
				return true
			}
		}
	}
	return false
}
