// SPDX-License-Identifier: Apache-2.0

package keyfile

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadMakesTheFileOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	first, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), os.FileMode(0o600); got != want || info.Size() != size {
		t.Errorf("mode %v, %d bytes, want %v, %d", got, info.Size(), want, size)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	again, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if first.Derive("fast") != again.Derive("fast") {
		t.Error("another key after the second Load")
	}
	other, err := Load(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Derive("fast") == other.Derive("fast") {
		t.Error("two files with one secret")
	}
}

// The values pin the derivation: changing it would log out every device. They are HKDF-Extract and -Expand of
// RFC 5869 with SHA-256, without salt, computed apart from this code.
func TestDeriveIsFixed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	secret := make([]byte, size)
	for i := range secret {
		secret[i] = byte(i)
	}
	if err := os.WriteFile(path, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]string{
		"fast":   "d38c0b231502123935471ba073459eedf9adaefc2d3825cc2466ddc795885cc5",
		"invite": "c0383c517764c569ba3c80a9b3f704310886517cbac4af08bad833dacc0a5865",
	} {
		key := k.Derive(label)
		if got := hex.EncodeToString(key[:]); got != want {
			t.Errorf("%s: got %s, want %s", label, got, want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		size int
		mode os.FileMode
		want error
	}{
		{"readable by the group", size, 0o640, ErrExposed},
		{"readable by all", size, 0o604, ErrExposed},
		{"writable by all", size, 0o602, ErrExposed},
		{"empty", 0, 0o600, ErrDamaged},
		{"too short", size - 1, 0o600, ErrDamaged},
		{"too long", size + 1, 0o600, ErrDamaged},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, make([]byte, c.size), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := Load(path); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if b, err := os.ReadFile(path); err != nil || len(b) != c.size {
				t.Errorf("the file was changed: %d bytes, %v", len(b), err)
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "no", "folder")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: got %v", err)
	}
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("a folder: got %v", err)
	}
}

func TestKeysDoNotPrintTheSecret(t *testing.T) {
	t.Parallel()
	k, err := Load(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		got := fmt.Sprintf(format, struct{ K Keys }{k})
		for _, leak := range []string{hex.EncodeToString(k.secret()[:4]), fmt.Sprint(k.secret()[:4])[1:10]} {
			if strings.Contains(got, leak) {
				t.Errorf("%s shows the secret", format)
			}
		}
	}
}
