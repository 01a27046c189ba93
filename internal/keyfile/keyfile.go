// SPDX-License-Identifier: Apache-2.0

// Package keyfile keeps the server's one secret, in a file beside the database.
//
// What the database holds of secrets that must be used again (FAST tokens, invitations that can be shown again, the
// salts made up for unknown names) is encrypted or computed under keys that come from this file, so that a stolen
// database alone opens nothing. The file is 32 random bytes. For each purpose a key of its own is derived from them
// by HKDF with SHA-256 (RFC 5869), so none of them tells anything about another.
//
// Whoever makes a backup needs both: without the file, all devices must log in by password and open invitations
// are void. Load is called by one process at a time: the folder is locked (db.Lock).
package keyfile

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// size of the file, in bytes.
const size = 32

var (
	// ErrExposed says that others than the owner may read or write the file.
	ErrExposed = errors.New("keyfile: others may read or write the file; set its mode to 0600")
	// ErrDamaged says that the file is not one that this package wrote.
	ErrDamaged = errors.New("keyfile: not a file of 32 bytes")
)

// Keys derives keys. It may be copied, and used by many goroutines; printed, it does not show what it holds.
// Keys that did not come from Load must not be used.
type Keys struct {
	secret func() []byte // a function, because no verb of fmt looks into one
}

// Load reads the secret at path, or makes it where there is no file: readable by the owner alone, and on the disk
// when Load returns. It returns ErrExposed or ErrDamaged, and changes nothing, where the file is not as it should be.
func Load(path string) (Keys, error) {
	k, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		k, err = create(path)
	}
	if err != nil {
		return Keys{}, fmt.Errorf("load keys from %s: %w", path, err)
	}
	return k, nil
}

// Derive returns the key for the purpose that label names, the same each time.
func (k Keys) Derive(label string) [32]byte {
	key, err := hkdf.Key(sha256.New, k.secret(), nil, label, 32)
	if err != nil {
		panic("keyfile: " + err.Error()) // only lengths beyond what HKDF can give are errors
	}
	return [32]byte(key)
}

func of(secret []byte) Keys { return Keys{func() []byte { return secret }} }

func read(path string) (Keys, error) {
	f, err := os.Open(path)
	if err != nil {
		return Keys{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Keys{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Keys{}, ErrExposed
	}
	if !info.Mode().IsRegular() || info.Size() != size {
		return Keys{}, ErrDamaged
	}
	secret := make([]byte, size)
	if _, err := f.ReadAt(secret, 0); err != nil {
		return Keys{}, err
	}
	return of(secret), nil
}

// create makes the file under another name first, so that it is whole or not there, whenever the power goes.
func create(path string) (k Keys, err error) {
	secret := make([]byte, size)
	rand.Read(secret) // it never fails: it ends the program
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".key-*") // with mode 0600
	if err != nil {
		return Keys{}, err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name()) // a file with a key that is nobody's
		}
	}()
	_, err = f.Write(secret)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return Keys{}, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return Keys{}, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return Keys{}, err
	}
	defer d.Close()
	return of(secret), d.Sync()
}
