// SPDX-License-Identifier: Apache-2.0

// Package report keeps what people tell the admins of who has sent them spam or has been abusive (XEP-0377 v0.4.1).
//
// A report goes with the account that made it, and has copies of messages, which may be gone from the archive by the
// time that somebody looks. Of one account the latest 200 are kept. A Service may be used by many goroutines.
package report

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/metrics"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// maxKept is how many reports of one account are kept; the oldest make room.
const maxKept = 200

// ErrUnknown says that there is no report of that id.
var ErrUnknown = errors.New("report: unknown")

// A Message is one that a report names.
type Message struct {
	By  string `json:"by"`            // who gave it its id
	ID  string `json:"id"`            // that id
	Raw string `json:"raw,omitempty"` // the stanza; "" where the reporter's archive does not have it
}

// A Report is what somebody says of somebody.
type Report struct {
	ID         int64 // higher is later
	Reporter   int64 // the account's id
	Name       string
	Reported   jid.JID // of any form
	Reason     string  // a URN
	Words      string  // "" for none
	Origin     bool    // the reporter lets the other's server know
	ThirdParty bool    // the reporter lets others know
	Messages   []Message
	At         time.Time // UTC, to the microsecond
}

// Options say how reports are kept.
type Options struct {
	Now func() time.Time // nil means time.Now
}

// Service is the reports of a server.
type Service struct {
	db   *db.DB
	now  func() time.Time
	made metrics.Vec
}

// New returns the reports kept in d, which has the tables of Schema.
func New(d *db.DB, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{db: d, now: o.Now}
}

//go:embed schema
var schema embed.FS

// Schema is the table of this package. It hangs on that of the accounts.
func Schema() db.Schema { return db.Schema{Name: "report", FS: schema} }

// Made counts the reports since the start, by reason: the label's value is what kind is for.
func (s *Service) Made() *metrics.Vec { return &s.made }

// Add keeps a report; kind is its reason as it is counted. ID, Name and At of r do not count.
func (s *Service) Add(tx *db.Tx, r Report, kind string) error {
	messages, err := json.Marshal(r.Messages)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	const q = `
		INSERT INTO report (id, reporter, reported, reason, words, origin, third_party, messages, at)
		SELECT CASE WHEN last.id < $8 THEN $8 ELSE last.id + 1 END, $1, $2, $3, $4, $5, $6, $7, $8
		FROM (SELECT COALESCE(MAX(id), 0) AS id FROM report) AS last`
	_, err = tx.Exec(q, r.Reporter, r.Reported.String(), r.Reason, r.Words, r.Origin, r.ThirdParty, string(messages), s.now().UnixMicro())
	if err != nil {
		return fmt.Errorf("keep report: %w", err)
	}
	const room = `
		DELETE FROM report WHERE id IN (
			SELECT id FROM report WHERE reporter = $1 ORDER BY id DESC LIMIT 1000 OFFSET $2)` // by report_reporter
	if _, err := tx.Exec(room, r.Reporter, maxKept); err != nil {
		return fmt.Errorf("make room for a report: %w", err)
	}
	tx.After(func() { s.made.Of(kind).Inc() })
	return nil
}

// List returns reports with ids below before, the latest first, limit at most; before 0 means all. Those by an account
// that is being removed are not among them.
func (s *Service) List(ctx context.Context, before int64, limit int) (list []Report, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		const q = `
			SELECT r.id, r.reporter, a.name, r.reported, r.reason, r.words, r.origin, r.third_party, r.messages, r.at
			FROM report r JOIN account a ON a.id = r.reporter
			WHERE ($1 = 0 OR r.id < $1) AND a.name NOT LIKE '/%' ORDER BY r.id DESC LIMIT $2` // by the primary key
		rows, err := tx.Query(q, before, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scan(rows)
			if err != nil {
				return err
			}
			list = append(list, r)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list reports: %w", err)
	}
	return list, nil
}

func scan(row interface{ Scan(...any) error }) (r Report, err error) {
	var reported, messages string
	var at int64
	err = row.Scan(&r.ID, &r.Reporter, &r.Name, &reported, &r.Reason, &r.Words, &r.Origin, &r.ThirdParty, &messages, &at)
	if err != nil {
		return r, err
	}
	r.At = time.UnixMicro(at).UTC()
	if r.Reported, err = jid.Parse(reported); err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(messages), &r.Messages)
}

// Remove removes a report that is dealt with; ErrUnknown if there is none of that id.
func (s *Service) Remove(tx *db.Tx, id int64) error {
	r, err := tx.Exec(`DELETE FROM report WHERE id = $1`, id)
	if err != nil {
		return fmt.Errorf("remove report: %w", err)
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrUnknown)
	}
	return nil
}
