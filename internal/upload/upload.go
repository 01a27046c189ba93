// SPDX-License-Identifier: Apache-2.0

// Package upload keeps the files that people send each other: it gives slots for them, takes what is brought there, and
// shows it to everybody who knows the address (XEP-0363 v1.2.0).
//
// A slot is a row, made when it is asked for, which holds its owner's quota; its address has the ID of a content, which
// nobody can guess. What may be put there is proved by a token that is signed with a key of the key file, so it outlives
// a restart (http.go). When the content is on the disk (package blob), the row says so, and not before.
//
// What is due is removed once an hour: first the row says that the file is gone, with the note that its content is
// waste, then the content goes, then the note. So neither a crash nor the end of an account leaves a file behind.
package upload

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/blob"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/metrics"
)

// lifetime is how long a slot waits for its file to be brought.
const lifetime = 10 * time.Minute

const (
	day        = 24 * time.Hour
	dayOfSlots = 2000   // slots of one person within a day, used or not
	maxFiles   = 10_000 // of one person at a time
	maxName    = 255    // bytes
	maxType    = 127    // bytes
)

var (
	// ErrName says that a file's name is none, or could do harm where it is saved.
	ErrName = errors.New("upload: not a name for a file")
	// ErrTooLarge says that a file is larger than Options.MaxSize.
	ErrTooLarge = errors.New("upload: too large")
	// ErrSize says that a size is none.
	ErrSize = errors.New("upload: not a size")
	// ErrType says that a media type is none.
	ErrType = errors.New("upload: not a media type")
	// ErrFull says that somebody keeps as much as anybody may.
	ErrFull = errors.New("upload: no room left")
	// errUnknown says that there is no such file, or nobody has brought it yet.
	errUnknown = errors.New("upload: unknown")
	// errGone says that a file was removed.
	errGone = errors.New("upload: gone")
)

// A QuotaError says that somebody has asked for as much as anybody may within a day.
type QuotaError struct {
	Retry time.Time // when there is room again for what was asked for; UTC
}

func (e *QuotaError) Error() string { return "upload: enough for a day" }

// Blobs keeps contents. *blob.Store implements it.
type Blobs interface {
	Put(id blob.ID, size int64, r io.Reader) error
	Open(id blob.ID) (blob.Content, error)
	Delete(id blob.ID) error
	All(f func(blob.ID) error) error
}

// Options say how files are kept.
type Options struct {
	URL       string        // of the folder below which all files are, "https://kith.example/upload/"
	Keys      keyfile.Keys  // sign the slots
	MaxSize   int64         // bytes of one file
	PerDay    int64         // bytes that one person may bring within 24 hours
	PerPerson int64         // bytes that one person may have here
	Retention time.Duration // how long a file is kept; 0: for ever
	Log       *slog.Logger
	Now       func() time.Time // nil: time.Now
}

// Counters are what a Service counts; who shows them reads them.
type Counters struct {
	Slots   metrics.Vec     // asked for; by outcome ("given", "quota", "full", "refused")
	Files   metrics.Counter // that were brought
	Bytes   metrics.Counter // of these
	Removed metrics.Counter // contents that were taken from the disk
}

// A Service keeps files. It may be used by many goroutines.
type Service struct {
	Options
	db    *db.DB
	blobs Blobs
	key   [32]byte
	count Counters
	waste chan struct{} // of length 1: there is some

	mu   sync.Mutex
	busy map[blob.ID]bool // are being brought
}

// New returns the files in d, which has the tables of Schema, and b. It starts nothing.
func New(d *db.DB, b Blobs, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.MaxSize = min(o.MaxSize, o.PerDay, o.PerPerson)
	return &Service{Options: o, db: d, blobs: b, key: o.Keys.Derive("upload"), waste: make(chan struct{}, 1), busy: map[blob.ID]bool{}}
}

//go:embed schema
var schema embed.FS

// Schema is the tables of this package. They hang on that of the accounts.
func Schema() db.Schema { return db.Schema{Name: "upload", FS: schema} }

// Counters returns what s counts.
func (s *Service) Counters() *Counters { return &s.count }

// A Request is what somebody wants to bring.
type Request struct {
	Name  string
	Size  int64     // bytes
	Type  string    // media type; "" where it was not said
	Until time.Time // when it has to be gone; zero: nothing is asked for
}

// A Slot is where it can be brought, and where it is then.
type Slot struct {
	Put, Get      string // addresses, in ASCII
	Authorization string // a header that has to come with the file
}

// Slot gives the account of that id a slot, good for lifetime. Its errors are ErrName, ErrSize, ErrType, ErrTooLarge,
// ErrFull and *QuotaError.
func (s *Service) Slot(ctx context.Context, owner int64, q Request) (Slot, error) {
	slot, err := s.slot(ctx, owner, q)
	_, quota := errors.AsType[*QuotaError](err)
	switch {
	case err == nil:
		s.count.Slots.Of("given").Inc()
	case quota:
		s.count.Slots.Of("quota").Inc()
	case errors.Is(err, ErrFull):
		s.count.Slots.Of("full").Inc()
	default:
		s.count.Slots.Of("refused").Inc()
	}
	return slot, err
}

func (s *Service) slot(ctx context.Context, owner int64, q Request) (Slot, error) {
	switch {
	case !validName(q.Name):
		return Slot{}, ErrName
	case q.Size <= 0:
		return Slot{}, ErrSize
	case q.Type != "" && !validType(q.Type):
		return Slot{}, ErrType
	case q.Size > s.MaxSize:
		return Slot{}, ErrTooLarge
	}
	id, now := blob.NewID(), s.Now()
	var until int64
	if !q.Until.IsZero() {
		until = q.Until.UnixMicro()
	}
	err := s.db.Write(ctx, func(tx *db.Tx) error {
		if err := s.room(tx, owner, q.Size, now); err != nil {
			return err
		}
		const insert = `
			INSERT INTO upload (id, owner, name, type, size, created_at, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`
		_, err := tx.Exec(insert, string(id), owner, q.Name, q.Type, q.Size, now.UnixMicro(), until)
		return err
	})
	if err != nil {
		return Slot{}, fmt.Errorf("give a slot: %w", err)
	}
	at := s.URL + string(id) + "/" + escape(q.Name)
	return Slot{Put: at, Get: at, Authorization: "Bearer " + s.sign(id, now.Add(lifetime))}, nil
}

// room reports, with an error, where there is no room for a file of that size. Slots that nobody uses hold it no longer
// than they are good; those to which something is being brought, until it is there.
func (s *Service) room(tx *db.Tx, owner, size int64, now time.Time) error {
	unused := now.Add(-lifetime).UnixMicro()
	today, err := s.today(tx, owner, now)
	if err != nil {
		return err
	}
	var files, kept int64
	const inAll = `
		SELECT COUNT(*), COALESCE(SUM(size), 0) FROM upload
		WHERE owner = $1 AND gone_at = 0 AND (done_at > 0 OR created_at > $2)` // upload_owner
	if err := tx.QueryRow(inAll, owner, unused).Scan(&files, &kept); err != nil {
		return fmt.Errorf("add up the files of %d: %w", owner, err)
	}
	// From the youngest on: what is too much is too much until the file that makes it so is a day old.
	var quota error
	bytes := size
	for i, t := range today {
		switch {
		case t.done || t.created > unused:
			bytes += t.size
		case s.isBusy(t.id): // slowly
			bytes += t.size
			files++
			kept += t.size
		}
		if quota == nil && (bytes > s.PerDay || i+1 >= dayOfSlots) {
			quota = &QuotaError{Retry: time.UnixMicro(t.created).Add(day).UTC()}
		}
	}
	if files >= maxFiles || kept+size > s.PerPerson {
		return ErrFull
	}
	return quota
}

// A taken slot is one that somebody was given within the last day.
type taken struct {
	id            blob.ID
	created, size int64 // µs, bytes
	done          bool
}

// today lists what an account was given within a day, the youngest first. They are dayOfSlots at most.
func (s *Service) today(tx *db.Tx, owner int64, now time.Time) (list []taken, err error) {
	// upload_owner
	rows, err := tx.Query(`SELECT id, created_at, done_at, size FROM upload WHERE owner = $1 AND created_at > $2 ORDER BY created_at DESC`,
		owner, now.Add(-day).UnixMicro())
	if err != nil {
		return nil, fmt.Errorf("add up the day of %d: %w", owner, err)
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var t taken
		var done int64
		if err := rows.Scan(&id, &t.created, &done, &t.size); err != nil {
			return nil, fmt.Errorf("add up the day of %d: %w", owner, err)
		}
		t.id, t.done = blob.ID(id), done > 0
		list = append(list, t)
	}
	return list, rows.Err()
}

// isBusy reports whether something is being brought to a slot.
func (s *Service) isBusy(id blob.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy[id]
}

// validName reports whether s can be the name of a file: one of a folder, not the folder itself or another, and nothing
// that looks like another name than it is.
func validName(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > maxName || !utf8.ValidString(s) || strings.TrimSpace(s) == "" {
		return false
	}
	for _, c := range s {
		switch {
		case c == '/', c == '\\', unicode.IsControl(c), unicode.Is(unicode.Bidi_Control, c):
			return false
		}
	}
	return true
}

// A file is what is known of one.
type file struct {
	ID    blob.ID
	Name  string
	Type  string    // as its owner said; "" where nothing was said
	Size  int64     // bytes
	Until time.Time // when it has to be gone; zero: nothing was asked for

	done, gone bool
}

// file looks a file up, or returns errUnknown. It may not be there yet, or not any more.
func (s *Service) file(ctx context.Context, id blob.ID) (file, error) {
	f := file{ID: id}
	var created, expires, done, gone int64
	err := s.db.Read(ctx, func(tx *db.ReadTx) error {
		const q = "SELECT name, type, size, created_at, expires_at, done_at, gone_at FROM upload WHERE id = $1"
		return tx.QueryRow(q, string(id)).Scan(&f.Name, &f.Type, &f.Size, &created, &expires, &done, &gone)
	})
	if errors.Is(err, db.ErrNoRows) {
		return file{}, errUnknown
	}
	if err != nil {
		return file{}, fmt.Errorf("look for a file: %w", err)
	}
	f.done, f.gone = done > 0, gone > 0
	now := s.Now()
	if expires > 0 { // XEP-0363 §5.3: not a moment longer
		f.Until = time.UnixMicro(expires).UTC()
		f.gone = f.gone || !now.Before(f.Until)
	}
	return f, nil
}

// errBusy says that a file is being brought, or is there.
var errBusy = errors.New("upload: there already")

// receive keeps what r has as the content of f.
func (s *Service) receive(ctx context.Context, f file, r io.Reader) error {
	s.mu.Lock()
	busy := s.busy[f.ID]
	s.busy[f.ID] = true
	s.mu.Unlock()
	if busy {
		return errBusy
	}
	defer func() {
		s.mu.Lock()
		delete(s.busy, f.ID)
		s.mu.Unlock()
	}()
	switch f, err := s.file(ctx, f.ID); { // as it is now that nobody else is at it
	case err != nil:
		return err
	case f.gone:
		return errGone
	case f.done:
		return errBusy
	}
	err := s.blobs.Put(f.ID, f.Size, r)
	if errors.Is(err, blob.ErrExists) { // of an upload about which nobody was told
		if err := s.blobs.Delete(f.ID); err != nil {
			return err
		}
		err = s.blobs.Put(f.ID, f.Size, r)
	}
	if err != nil {
		return err
	}
	there := false
	err = s.db.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		r, err := tx.Exec("UPDATE upload SET done_at = $2 WHERE id = $1 AND done_at = 0 AND gone_at = 0",
			string(f.ID), s.Now().UnixMicro())
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		there = n == 1
		return err
	})
	if err != nil {
		return fmt.Errorf("note a file: %w", err) // its content goes with the slot
	}
	if !there { // its owner is gone meanwhile
		return errors.Join(errUnknown, s.blobs.Delete(f.ID))
	}
	s.count.Files.Inc()
	s.count.Bytes.Add(int(min(f.Size, math.MaxInt)))
	return nil
}
