// SPDX-License-Identifier: Apache-2.0

// Package blob keeps the content of files on the disk, below the data folder.
//
// A content has an ID, 128 random bits, and never changes. Put writes it under another name, has the disk keep it, gives
// it its name, and has the disk keep that: when Put returns, it is there whole after a power cut, and before that it is
// not there at all. What was left half-way is removed when the folder is opened.
//
// The package knows nobody's files. Who gives an ID to somebody notes it in the database first, and removes what it
// finds in All without such a note.
package blob

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"
	"time"
)

var (
	// ErrUnknown says that there is no content of that ID.
	ErrUnknown = errors.New("blob: unknown")
	// ErrSize says that a content was shorter or longer than was said.
	ErrSize = errors.New("blob: not of the size that was said")
	// ErrFull says that the disk has no room for a content.
	ErrFull = errors.New("blob: the disk is full")
	// ErrExists says that there is a content of that ID.
	ErrExists = errors.New("blob: exists")
)

// An ID names a content: 32 hexadecimal digits in lower case. Nobody can guess one.
type ID string

// NewID returns a fresh ID.
func NewID() ID {
	var b [16]byte
	rand.Read(b[:]) // it never fails: it ends the program
	return ID(hex.EncodeToString(b[:]))
}

// ParseID returns s as an ID, and whether it is one.
func ParseID(s string) (ID, bool) {
	if len(s) != 32 {
		return "", false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return "", false
		}
	}
	return ID(s), true
}

// path is where a content lies: in one of 256 folders, so that none is very full.
func (id ID) path() string { return path.Join(string(id[:2]), string(id)) }

// A Content is one that is open. Who opened it closes it.
type Content interface {
	io.ReadSeekCloser
	Size() int64        // bytes
	ModTime() time.Time // when it was written
}

// A Store is a folder of contents. It may be used by many goroutines.
type Store struct{ disk disk }

// unfinished is the folder of contents that are being written.
const unfinished = "unfinished"

// Open opens the folder at dir, which it makes where there is none, and removes what was being written when the server
// last stopped. It is called by one process at a time.
func Open(dir string) (*Store, error) {
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := syncDir(filepath.Dir(dir)); err != nil {
			return nil, fmt.Errorf("blob: keep the folder: %w", err)
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("blob: make the folder: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("blob: open the folder: %w", err)
	}
	return open(osDisk{root})
}

func open(d disk) (*Store, error) {
	s := &Store{d}
	if err := s.folder(unfinished); err != nil {
		return nil, err
	}
	names, err := d.List(unfinished)
	if err != nil {
		return nil, fmt.Errorf("blob: look for what is left: %w", err)
	}
	for _, name := range names {
		if err := d.Remove(path.Join(unfinished, name)); err != nil {
			return nil, fmt.Errorf("blob: remove what is left: %w", err)
		}
	}
	return s, nil
}

// Close closes the folder; contents that are open stay so.
func (s *Store) Close() error { return s.disk.Close() }

// folder makes a folder where there is none, for good.
func (s *Store) folder(name string) error {
	switch err := s.disk.Mkdir(name); {
	case errors.Is(err, fs.ErrExist):
		// Who made it may still be at keeping it: what is put into it must not be safer than the folder.
	case err != nil:
		return failed("make a folder", err)
	}
	if err := s.disk.SyncDir("."); err != nil {
		return failed("keep a folder", err)
	}
	return nil
}

// Put keeps size bytes of r as the content id, for good. It returns ErrSize where r has fewer or more, ErrFull, ErrExists,
// or an error of r; then nothing of it is kept.
func (s *Store) Put(id ID, size int64, r io.Reader) (err error) {
	if c, err := s.Open(id); err == nil {
		return errors.Join(ErrExists, c.Close())
	}
	if err := s.folder(string(id[:2])); err != nil {
		return err
	}
	// Two at once for one ID do not disturb each other: each has a file of its own, and the last name counts.
	name := path.Join(unfinished, string(NewID()))
	f, err := s.disk.Create(name)
	if err != nil {
		return failed("begin a content", err)
	}
	defer func() {
		if err != nil {
			_ = s.disk.Remove(name) // else Open does
		}
	}()
	if err := write(f, size, r); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return failed("close a content", err)
	}
	if err := s.disk.Rename(name, id.path()); err != nil {
		return failed("name a content", err)
	}
	if err := s.disk.SyncDir(string(id[:2])); err != nil {
		_ = s.disk.Remove(id.path()) // nobody may hear that it is there
		return failed("keep a content's name", err)
	}
	return nil
}

// write fills f and has the disk keep it.
func write(f file, size int64, r io.Reader) error {
	n, err := io.CopyN(f, r, size)
	switch {
	case errors.Is(err, io.EOF) && n < size:
		return ErrSize
	case err != nil:
		return failed("write a content", err)
	}
	if n, err := io.ReadFull(r, make([]byte, 1)); n > 0 {
		return ErrSize
	} else if !errors.Is(err, io.EOF) {
		return failed("read a content's end", err)
	}
	if err := f.Sync(); err != nil {
		return failed("keep a content", err)
	}
	return nil
}

// failed says what went wrong; a disk that is full is ErrFull.
func failed(what string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%s: %w: %w", what, ErrFull, err)
	}
	return fmt.Errorf("blob: %s: %w", what, err)
}

// Open opens a content, or returns ErrUnknown.
func (s *Store) Open(id ID) (Content, error) {
	c, err := s.disk.Open(id.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("blob: open a content: %w", err)
	}
	return c, nil
}

// Delete removes a content, if it is there. After a power cut it may be back.
func (s *Store) Delete(id ID) error {
	if err := s.disk.Remove(id.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("blob: remove a content: %w", err)
	}
	return nil
}

// All calls f with the ID of each content, in no order; what comes or goes meanwhile may be among them. An error of f
// ends it.
func (s *Store) All(f func(ID) error) error {
	folders, err := s.disk.List(".")
	if err != nil {
		return fmt.Errorf("blob: list the folders: %w", err)
	}
	for _, folder := range folders {
		if len(folder) != 2 {
			continue
		}
		names, err := s.disk.List(folder)
		if err != nil {
			return fmt.Errorf("blob: list the contents: %w", err)
		}
		for _, name := range names {
			if id, ok := ParseID(name); ok {
				if err := f(id); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
