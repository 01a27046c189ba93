// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the stores of all servers are looked into

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsArchive = "urn:xmpp:mam:2"
	nsRSM     = "http://jabber.org/protocol/rsm"
)

// measureHistory is what it costs to keep messages for somebody who is away, to give them to him when he comes, and to
// turn the pages of a long archive (XEP-0313). The others are those whose archive waits for the disk, as ours does.
func measureHistory(t *testing.T, r *report, z size, kinds []*kind) {
	for _, k := range kinds {
		if err := history(t, r, z, k); err != nil && !failed(t, k, err) {
			t.Fatal(err)
		}
	}
}

func history(t *testing.T, r *report, z size, k *kind) error {
	s := k.start(t)
	reader, writers := k.accounts[0], k.accounts[1:1+z.pairs]
	stored, err := absent(t.Context(), s, reader, writers, z.missed)
	if err != nil {
		return err
	}
	r.add(absentCPU, k, ms(stored))
	caught, n, err := catchUp(t.Context(), s, reader)
	if err != nil {
		return err
	}
	if n < z.missed {
		return fmt.Errorf("%d messages came of %d", n, z.missed)
	}
	r.add(catchUpCPU, k, ms(caught)/float64(n))
	s.stop(t)
	if err := k.multiply(reader.name, z.archive); err != nil {
		return fmt.Errorf("make a long archive: %w", err)
	}
	s = k.start(t)
	defer s.stop(t)
	cpu, wall, n, err := turnPages(t.Context(), s, reader, z.pages)
	if err != nil {
		return err
	}
	if n != z.pages {
		return fmt.Errorf("the archive has %d pages, of %d that were to be turned", n, z.pages)
	}
	r.add(pageCPU, k, ms(cpu))
	r.add(pageWall, k, ms(wall))
	return nil
}

// absent has n messages written to somebody who is away, and returns the server's processor time for each.
func absent(ctx context.Context, s *server, to *account, writers []*account, n int) (time.Duration, error) {
	bare := jid.MustParse(to.name + "@" + domain)
	pairs := make([]*pair, len(writers))
	ended := make(chan error, len(writers))
	for i, a := range writers {
		c, err := join(ctx, s, directTLS, false, a)
		if err != nil {
			return 0, err
		}
		defer c.Cut()
		p := &pair{from: c, bare: bare, sent: 2, news: make(chan struct{}, 1)}
		p.acked.Store(2)
		pairs[i] = p
		go func() { ended <- c.run(p.answered) }() // ends with the connection
	}
	send := func(n int) error {
		return each(len(pairs), len(pairs), func(k int) error {
			p := pairs[k]
			for sent, i := 1, k; i < n; sent, i = sent+1, i+len(pairs) {
				if err := p.await(ctx, window-1); err != nil {
					return err
				}
				if err := p.send(i, sent%askEvery == 0 || i+len(pairs) >= n); err != nil {
					return err
				}
			}
			return p.await(ctx, 0)
		})
	}
	before, err := s.cpu()
	if err != nil {
		return 0, err
	}
	if err := send(n); err != nil {
		select {
		case why := <-ended:
			err = errors.Join(err, why)
		default:
		}
		return 0, err
	}
	after, err := s.cpu()
	return (after - before) / time.Duration(n), err
}

// catchUp logs somebody in who asks for all that the archive has, page by page, and returns the processor time of it and
// the number of messages.
func catchUp(ctx context.Context, s *server, a *account) (cpu time.Duration, n int, err error) {
	c, err := dial(ctx, s, directTLS)
	if err != nil {
		return 0, 0, err
	}
	defer c.Cut()
	if err := c.login(a); err != nil {
		return 0, 0, err
	}
	before, err := s.cpu()
	if err != nil {
		return 0, 0, err
	}
	cursor := ""
	for {
		p, err := c.page(`<max xmlns="`+nsRSM+`">100</max><after xmlns="`+nsRSM+`">`+cursor+`</after>`, cursor == "")
		if err != nil {
			return 0, 0, err
		}
		n += p.results
		if p.complete || p.results == 0 {
			break
		}
		cursor = p.last
	}
	after, err := s.cpu()
	return after - before, n, err
}

// turnPages turns n pages of 50 from the newest back, and returns processor time and median of the wall time for each.
func turnPages(ctx context.Context, s *server, a *account, n int) (cpu, wall time.Duration, turned int, err error) {
	c, err := dial(ctx, s, directTLS)
	if err != nil {
		return 0, 0, 0, err
	}
	defer c.Cut()
	if err := c.login(a); err != nil {
		return 0, 0, 0, err
	}
	before, err := s.cpu()
	if err != nil {
		return 0, 0, 0, err
	}
	var took []time.Duration
	cursor := ""
	for turned < n {
		begin := time.Now()
		p, err := c.page(`<max xmlns="`+nsRSM+`">50</max><before xmlns="`+nsRSM+`">`+cursor+`</before>`, false)
		if err != nil {
			return 0, 0, turned, err
		}
		if p.results != 50 {
			break
		}
		took = append(took, time.Since(begin))
		turned++
		cursor = p.first
	}
	after, err := s.cpu()
	if turned == 0 {
		return 0, 0, 0, errors.Join(errors.New("the archive has no page"), err)
	}
	slices.Sort(took)
	return (after - before) / time.Duration(turned), took[len(took)/2], turned, err
}

// A page is what an archive answered (XEP-0313 §4.2).
type page struct {
	results     int
	first, last string
	complete    bool
}

// page asks for a page; set is what RSM says of it, beginning at the oldest where start is true.
func (c *client) page(set string, start bool) (page, error) {
	if start {
		set, _, _ = strings.Cut(set, "<after")
	}
	c.taken++ // its number serves as an id
	id := "page" + strconv.FormatUint(uint64(c.taken), 10)
	err := c.WriteStanzas([]*stanza.Stanza{stanza.New(stanza.IQ, "set", id, jid.JID{}, jid.JID{},
		xmlstream.Raw(`<query xmlns="`+nsArchive+`"><set xmlns="`+nsRSM+`">`+set+`</set></query>`))})
	if err != nil {
		return page{}, err
	}
	var p page
	for {
		el, err := c.Read()
		if err != nil {
			return page{}, err
		}
		n := el.Root()
		switch {
		case n.Is(xmlstream.NSClient, "message"):
			if _, ok := n.Child(nsArchive, "result"); ok {
				p.results++
			}
		case n.Is(xmlstream.NSClient, "iq") && n.Attr("id") == id:
			fin, ok := n.Child(nsArchive, "fin")
			if !ok {
				return page{}, fmt.Errorf("no page: %s", n.Raw())
			}
			p.complete = fin.Attr("complete") == "true"
			set, _ := fin.Child(nsRSM, "set")
			first, _ := set.Child(nsRSM, "first")
			last, _ := set.Child(nsRSM, "last")
			p.first, p.last = first.Text(), last.Text()
			return p, nil
		}
	}
}

// multiply makes the archive of an account n messages long, while the server does not run: what is there, over and over
// again, older each time. To have them written would take some servers many minutes.
func (k *kind) multiply(name string, n int) error {
	d, err := sql.Open("sqlite", k.database)
	if err != nil {
		return err
	}
	defer d.Close()
	var have int
	if err := d.QueryRow(`SELECT COUNT(*) FROM `+k.table.name+` WHERE `+k.table.owner, name).Scan(&have); err != nil {
		return err
	}
	if have == 0 {
		return errors.New("there is none")
	}
	rows, err := d.Query(`SELECT name FROM pragma_table_info('` + strings.Trim(k.table.name, `"`) + `')`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var columns, values []string
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return err
		}
		value := `"` + column + `"`
		if to, ok := k.table.changed[column]; ok {
			if value = strings.ReplaceAll(to, "{have}", strconv.Itoa(have)); to == "" {
				continue
			}
		}
		columns, values = append(columns, `"`+column+`"`), append(values, value)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for i := 1; have*i < n; i++ {
		q := `INSERT INTO ` + k.table.name + ` (` + strings.Join(columns, ", ") + `) SELECT ` + strings.Join(values, ", ") +
			` FROM ` + k.table.name + ` WHERE ` + k.table.owner + ` AND ` + k.table.original
		if _, err := d.Exec(q, name, i); err != nil {
			return err
		}
	}
	return nil
}

// A table is where a server keeps its archives.
type table struct {
	name     string
	owner    string            // a condition with $1, the account's name
	original string            // a condition for what was not made by multiply
	changed  map[string]string // by column: what it is in the copy with the number $2 of {have} rows; "" leaves it to the database
}
