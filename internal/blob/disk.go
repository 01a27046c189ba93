// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"errors"
	"io"
	"os"
	"time"
)

// disk is a folder of the system's, as far as a Store needs one. Names are relative to it, with slashes. What it is told
// may be gone after a power cut until Sync has returned for what a file holds, and SyncDir for what names a folder has.
type disk interface {
	Mkdir(name string) error // fs.ErrExist where it is there
	SyncDir(name string) error
	List(name string) ([]string, error)
	Create(name string) (file, error) // a new file
	Open(name string) (Content, error)
	Rename(from, to string) error
	Remove(name string) error
	Close() error
}

// A file is one that is being written.
type file interface {
	io.WriteCloser
	Sync() error
}

type osDisk struct{ root *os.Root }

func (d osDisk) Mkdir(name string) error      { return d.root.Mkdir(name, 0o700) }
func (d osDisk) Rename(from, to string) error { return d.root.Rename(from, to) }
func (d osDisk) Remove(name string) error     { return d.root.Remove(name) }
func (d osDisk) Close() error                 { return d.root.Close() }

func (d osDisk) SyncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d osDisk) List(name string) ([]string, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	return names, errors.Join(err, f.Close())
}

func (d osDisk) Create(name string) (file, error) {
	f, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err // not a file that is nil
	}
	return f, nil
}

func (d osDisk) Open(name string) (Content, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return osContent{f, info}, nil
}

type osContent struct {
	*os.File
	info os.FileInfo
}

func (c osContent) Size() int64        { return c.info.Size() }
func (c osContent) ModTime() time.Time { return c.info.ModTime() }

// syncDir has the disk keep the names in a folder of the system's.
func syncDir(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
