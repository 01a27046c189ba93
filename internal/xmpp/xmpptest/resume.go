// SPDX-License-Identifier: Apache-2.0

package xmpptest

import (
	"context"
	"fmt"
	"strconv"
)

// ResumeRequest is what a client sends, or puts into SASL2.Extra, to go on with the session that c had (XEP-0198 §5).
// Before that it calls Adopt.
func (c *Client) ResumeRequest() string {
	return `<resume xmlns="` + nsManagement + `" previd="` + c.smID + `" h="` + strconv.FormatUint(uint64(c.taken), 10) + `"/>`
}

// Adopt has c count on from where old was, whose connection is gone: c is about to resume its session.
func (c *Client) Adopt(old *Client) {
	c.taken, c.acked, c.smID, c.JID, c.autoAck = old.taken, old.acked, old.smID, old.JID, old.autoAck
}

// Resume goes on with the session of old, on a stream that is authenticated and not bound, and returns the server's
// count. Where that cannot be, the error says what the server said.
func (c *Client) Resume(ctx context.Context, old *Client) (h uint32, err error) {
	c.Adopt(old)
	if err := c.Send(c.ResumeRequest()); err != nil {
		return 0, err
	}
	n, err := c.next(ctx)
	if err != nil {
		return 0, err
	}
	if !n.Is(nsManagement, "resumed") {
		return 0, fmt.Errorf("not resumed: %s", n.Raw())
	}
	count, err := strconv.ParseUint(n.Attr("h"), 10, 32)
	return uint32(count), err
}
