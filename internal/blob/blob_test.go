// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func read(t *testing.T, s *Store, id ID) string {
	t.Helper()
	c, err := s.Open(id)
	if err != nil {
		t.Fatalf("open %s: %v", id, err)
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if c.Size() != int64(len(b)) {
		t.Errorf("its size is %d, it has %d bytes", c.Size(), len(b))
	}
	return string(b)
}

func all(t *testing.T, s *Store) map[ID]bool {
	t.Helper()
	ids := map[ID]bool{}
	if err := s.All(func(id ID) error { ids[id] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	return ids
}

func TestStore(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "files")
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	a, b := NewID(), NewID()
	if err := s.Put(a, 5, strings.NewReader("hello")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(b, 1, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, a); got != "hello" {
		t.Errorf("got %q", got)
	}
	if err := s.Put(a, 5, strings.NewReader("other")); !errors.Is(err, ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	if ids := all(t, s); len(ids) != 2 || !ids[a] || !ids[b] {
		t.Errorf("there are %v", ids)
	}
	for range 2 { // what is not there is removed already
		if err := s.Delete(b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Open(b); !errors.Is(err, ErrUnknown) {
		t.Errorf("after its removal: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := read(t, s, a); got != "hello" {
		t.Errorf("opened again: %q", got)
	}
	info, err := os.Stat(filepath.Join(dir, a.path()))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}

// broken is a reader that ends in an error.
type broken struct{ left int }

var errBroken = errors.New("the peer is gone")

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, errBroken
	}
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}

// TestHalf: of what is not whole nothing stays.
func TestHalf(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		name string
		r    io.Reader
		want error
	}{
		{"too short", strings.NewReader("four"), ErrSize},
		{"too long", strings.NewReader("sixsix"), ErrSize},
		{"broken", &broken{3}, errBroken},
		{"broken at its end", &broken{5}, errBroken},
	} {
		if err := s.Put(NewID(), 5, c.r); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if ids := all(t, s); len(ids) != 0 {
		t.Errorf("there are %v", ids)
	}
	if names, err := os.ReadDir(filepath.Join(dir, unfinished)); err != nil || len(names) != 0 {
		t.Errorf("left over: %v, %v", names, err)
	}
}

func TestParseID(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		string(NewID()):                    true,
		"":                                 false,
		"0123456789abcdef0123456789abcde":  false,
		"0123456789abcdef0123456789abcdeF": false,
		"../../../../../../../../etc/pass": false,
	} {
		if _, ok := ParseID(s); ok != want {
			t.Errorf("%q: %v", s, ok)
		}
	}
	if a, b := NewID(), NewID(); a == b {
		t.Error("twice the same")
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("0123456789abcdef0123456789abcdef")
	f.Add("..")
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := ParseID(s); ok && (string(id) != s || !filepath.IsLocal(id.path()) || filepath.Base(id.path()) != s) {
			t.Errorf("%q has the path %q", s, id.path())
		}
	})
}

// A forgetful disk is one in memory that loses, in a power cut, all that was not synced: what files hold, and the names
// that folders have.
type forgetful struct {
	mu    sync.Mutex
	now   map[string]*content            // names as they are; a folder is nil
	kept  map[string]map[string]*content // by folder: the names in it that a power cut leaves
	full  int                            // bytes that have room yet; -1: as many as one likes
	fault func(op string) error          // nil: all is well
}

type content struct {
	folder bool
	data   []byte
	synced []byte
}

func newForgetful() *forgetful {
	root := &content{folder: true}
	return &forgetful{now: map[string]*content{".": root}, kept: map[string]map[string]*content{}, full: -1}
}

// powerCut leaves what was synced.
func (d *forgetful) powerCut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := map[string]*content{".": d.now["."]}
	var walk func(folder string)
	walk = func(folder string) {
		for name, c := range d.kept[folder] {
			if c.folder {
				left[name] = c
				walk(name)
			} else {
				left[name] = &content{data: bytes.Clone(c.synced), synced: c.synced}
			}
		}
	}
	walk(".")
	d.now = left
	for folder := range d.kept {
		names := map[string]*content{}
		for name, c := range left {
			if name != "." && filepath.Dir(name) == folder {
				names[name] = c
			}
		}
		d.kept[folder] = names
	}
}

func (d *forgetful) fails(op string) error {
	if d.fault != nil {
		return d.fault(op)
	}
	return nil
}

func (d *forgetful) Mkdir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now[name] != nil {
		return os.ErrExist
	}
	d.now[name] = &content{folder: true}
	return d.fails("mkdir")
}

func (d *forgetful) SyncDir(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fails("syncdir"); err != nil {
		return err
	}
	names := map[string]*content{}
	for n, c := range d.now {
		if n != "." && filepath.Dir(n) == name {
			names[n] = c
		}
	}
	d.kept[name] = names
	return nil
}

func (d *forgetful) List(name string) (list []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := range d.now {
		if n != "." && filepath.Dir(n) == name {
			list = append(list, filepath.Base(n))
		}
	}
	return list, nil
}

func (d *forgetful) Create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now[filepath.Dir(name)] == nil {
		return nil, os.ErrNotExist
	}
	c := &content{}
	d.now[name] = c
	return &forgetfulFile{d, c}, d.fails("create")
}

func (d *forgetful) Open(name string) (Content, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.now[name]
	if c == nil || c.folder {
		return nil, os.ErrNotExist
	}
	return memory{bytes.NewReader(c.data)}, nil
}

func (d *forgetful) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fails("rename"); err != nil {
		return err
	}
	c := d.now[from]
	if c == nil || d.now[filepath.Dir(to)] == nil {
		return os.ErrNotExist
	}
	delete(d.now, from)
	d.now[to] = c
	return nil
}

func (d *forgetful) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.now[name] == nil {
		return os.ErrNotExist
	}
	delete(d.now, name)
	return nil
}

func (d *forgetful) Close() error { return nil }

type memory struct{ *bytes.Reader }

func (memory) Close() error       { return nil }
func (memory) ModTime() time.Time { return time.Time{} }

type forgetfulFile struct {
	d *forgetful
	c *content
}

func (f *forgetfulFile) Write(p []byte) (int, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if f.d.full >= 0 && len(p) > f.d.full {
		return 0, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	}
	if f.d.full >= 0 {
		f.d.full -= len(p)
	}
	f.c.data = append(f.c.data, p...)
	return len(p), f.d.fails("write")
}

func (f *forgetfulFile) Sync() error {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if err := f.d.fails("sync"); err != nil {
		return err
	}
	f.c.synced = bytes.Clone(f.c.data)
	return nil
}

func (f *forgetfulFile) Close() error { return f.d.fails("close") }

// TestPowerCut: what Put returned for is there after a power cut, whole; nothing else is.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	d := newForgetful()
	s, err := open(d)
	if err != nil {
		t.Fatal(err)
	}
	want := map[ID]string{}
	for i := range 600 { // more than there are folders
		id, text := NewID(), fmt.Sprint("content ", i)
		if err := s.Put(id, int64(len(text)), strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
		want[id] = text
	}
	d.powerCut()
	if s, err = open(d); err != nil {
		t.Fatal(err)
	}
	for id, text := range want {
		if got := read(t, s, id); got != text {
			t.Errorf("%s is %q, want %q", id, got, text)
		}
	}
	if ids := all(t, s); len(ids) != len(want) {
		t.Errorf("there are %d", len(ids))
	}
}

// TestPowerCutAnywhere: a power cut after each single step of a Put leaves the content whole, or not at all; and what the
// disk refuses is refused.
func TestPowerCutAnywhere(t *testing.T) {
	t.Parallel()
	for step := 1; ; step++ {
		d := newForgetful()
		s, err := open(d)
		if err != nil {
			t.Fatal(err)
		}
		id, n := NewID(), 0
		errCut := errors.New("the power is gone")
		d.fault = func(string) error {
			if n++; n >= step {
				return errCut
			}
			return nil
		}
		err = s.Put(id, 5, strings.NewReader("hello"))
		done := n < step
		if done != (err == nil) || err != nil && !errors.Is(err, errCut) {
			t.Errorf("step %d: %v", step, err)
		}
		d.fault = nil
		d.powerCut()
		if s, err = open(d); err != nil {
			t.Fatal(err)
		}
		c, err := s.Open(id)
		switch {
		case done && err != nil:
			t.Errorf("it is gone: %v", err)
		case err == nil:
			if c.Size() != 5 {
				t.Errorf("step %d: %d bytes are left", step, c.Size())
			}
		}
		if left, _ := d.List(unfinished); len(left) != 0 {
			t.Errorf("step %d: left over: %v", step, left)
		}
		if done {
			return
		}
	}
}

func TestFull(t *testing.T) {
	t.Parallel()
	d := newForgetful()
	s, err := open(d)
	if err != nil {
		t.Fatal(err)
	}
	d.full = 10
	if err := s.Put(NewID(), 8, strings.NewReader("eight...")); err != nil {
		t.Fatal(err)
	}
	if err := s.Put(NewID(), 8, strings.NewReader("eight...")); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
	if left, _ := d.List(unfinished); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestKill kills a process that keeps contents, again and again: what it said to be kept is whole, and nothing is half.
func TestKill(t *testing.T) {
	const variable = "BLOB_TEST_DIR"
	if dir := os.Getenv(variable); dir != "" {
		putForever(dir)
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "files")
	kept := map[ID]bool{}
	for round := range 8 {
		c := exec.Command(os.Args[0], "-test.run=^TestKill$")
		c.Env = append(os.Environ(), variable+"="+dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 10 + 7*round {
			if !lines.Scan() {
				t.Fatal("the process is gone")
			}
			id, ok := ParseID(lines.Text())
			if !ok {
				t.Fatalf("it says %q", lines.Text())
			}
			kept[id] = true
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // said before it was killed
			if id, ok := ParseID(lines.Text()); ok {
				kept[id] = true
			}
		}
		_ = c.Wait() // it was killed

		s, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		there := all(t, s)
		for id := range kept {
			if !there[id] {
				t.Errorf("round %d: %s is gone", round, id)
			}
		}
		for id := range there {
			if got := read(t, s, id); got != strings.Repeat(string(id), 1000) {
				t.Errorf("round %d: %s has %d bytes", round, id, len(got))
			}
		}
		if names, err := os.ReadDir(filepath.Join(dir, unfinished)); err != nil || len(names) != 0 {
			t.Errorf("left over: %v, %v", names, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// putForever is the process that is killed.
func putForever(dir string) {
	s, err := Open(dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for {
		id := NewID()
		text := strings.Repeat(string(id), 1000)
		if err := s.Put(id, int64(len(text)), strings.NewReader(text)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(id)
	}
}
