// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A crowd is clients that are logged in and do nothing.
type crowd struct {
	server  *server
	clients []*client
	reading sync.WaitGroup
	before  int // KiB of the server's memory without them
}

// warmUp has one client come and go, so that the server has made what it makes once, and returns its memory then.
func warmUp(ctx context.Context, s *server, w way, quiet time.Duration) (int, error) {
	if err := classic(w)(ctx, s, s.accounts[0]); err != nil {
		return 0, err
	}
	if err := rest(ctx, quiet); err != nil {
		return 0, err
	}
	return s.rss()
}

// rest waits.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// gather logs z.idle clients in, one for each account, with stream management, and tells that they are available.
func gather(ctx context.Context, s *server, w way, resume bool, z size) (*crowd, error) {
	d := &crowd{server: s, clients: make([]*client, z.idle)}
	var err error
	if d.before, err = warmUp(ctx, s, w, z.rest); err != nil {
		return nil, err
	}
	err = each(z.idle, 8, func(i int) (err error) {
		d.clients[i], err = join(ctx, s, w, resume, s.accounts[i])
		return err
	})
	if err != nil {
		d.disperse()
		return nil, err
	}
	for _, c := range d.clients {
		d.reading.Go(func() { _ = c.run(func(xmlstream.Node) {}) }) // perEach says if one is gone
	}
	return d, nil
}

// join logs in by SASL and binding, with stream management, and tells that the client is available. With resume it asks
// for a session that can be resumed.
func join(ctx context.Context, s *server, w way, resume bool, a *account) (*client, error) {
	c, err := dial(ctx, s, w)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.login(a), c.manage(resume), c.present()); err != nil {
		c.Cut()
		return nil, err
	}
	return c, nil
}

// perEach is what each of the clients costs of the server's memory now, in KiB.
func (d *crowd) perEach() (float64, error) {
	now, err := d.server.rss()
	return float64(now-d.before) / float64(len(d.clients)), err
}

// disperse cuts all connections.
func (d *crowd) disperse() {
	for _, c := range d.clients {
		if c != nil {
			c.Cut()
		}
	}
	d.reading.Wait()
}
