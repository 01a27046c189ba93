// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pair opens a terminal and the side of it that a person sits at; Linux has them by number.
func pair(t *testing.T) (person, terminal *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	n, err := unix.IoctlGetUint32(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return person, terminal
}

func TestSecretsDoNotShow(t *testing.T) {
	t.Parallel()
	person, tty := pair(t)
	if !Is(tty) {
		t.Error("a terminal is not seen as one")
	}
	screen := bufio.NewReader(person)

	prompt := func(ask func(context.Context, *os.File, io.Writer, string) (string, error), typed string) (got, shown string) {
		t.Helper()
		prompted := make(chan struct{})
		var out strings.Builder
		done := make(chan error, 1)
		go func() { // received below
			var err error
			got, err = ask(t.Context(), tty, writer(func(p []byte) (int, error) {
				if out.Len() == 0 {
					defer close(prompted)
				}
				return out.Write(p)
			}), "Password: ")
			done <- err
		}()
		<-prompted
		fmt.Fprint(person, typed+"\n")
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(tty, "end\n")
		shown, err := screen.ReadString('d')
		if err != nil {
			t.Fatal(err)
		}
		if _, err := screen.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		return got, shown
	}
	got, shown := prompt(AskSecret, "o romeo")
	if got != "o romeo" || strings.Contains(shown, "romeo") {
		t.Errorf("typed %q, and the screen shows %q", got, shown)
	}
	got, shown = prompt(Ask, "juliet")
	if got != "juliet" || !strings.Contains(shown, "juliet") {
		t.Errorf("afterwards: typed %q, and the screen shows %q", got, shown)
	}
}

// A person who gives up leaves a terminal that shows what is typed.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	_, tty := pair(t)
	ctx, cancel := context.WithCancel(t.Context())
	prompted := writer(func(p []byte) (int, error) { cancel(); return len(p), nil })
	if _, err := AskSecret(ctx, tty, prompted, "Password: "); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s, err := state(int(tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if s.Lflag&unix.ECHO == 0 {
		t.Error("the terminal hides what is typed from now on")
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestReadLine(t *testing.T) {
	t.Parallel()
	in := strings.NewReader("one\r\n\nthree")
	for _, want := range []string{"one", "", "three"} {
		if got, err := ReadLine(in); got != want || err != nil {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if _, err := ReadLine(in); !errors.Is(err, ErrNoLine) {
		t.Errorf("at the end: %v", err)
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	t.Parallel()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if Is(f) {
		t.Error("/dev/null is said to be a terminal")
	}
	if _, err := AskSecret(t.Context(), f, io.Discard, ""); err == nil {
		t.Error("a secret was asked from no terminal")
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	if got, want := Printable("a\x1b[2J\nb\u202ec é 日本"), "a·[2J·b·c é 日本"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The drawing has the finder of a QR code in three corners, within its margin.
func TestWriteQR(t *testing.T) {
	t.Parallel()
	var plain, coloured strings.Builder
	if err := WriteQR(&plain, "http://localhost:8080/invite/abc", false); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(plain.String(), "\n"), "\n")
	if got := lines[1]; !strings.HasPrefix(got, "  █▀▀▀▀▀█ ") || !strings.HasSuffix(got, " █▀▀▀▀▀█  ") {
		t.Errorf("the first line of the code: %q", got)
	}
	if got := lines[0]; strings.TrimSpace(got) != "" {
		t.Errorf("the margin above: %q", got)
	}
	if err := WriteQR(&coloured, "http://localhost:8080/invite/abc", true); err != nil {
		t.Fatal(err)
	}
	stripped := strings.NewReplacer("\x1b[38;5;16;48;5;231m", "", "\x1b[0m", "").Replace(coloured.String())
	if stripped != plain.String() {
		t.Error("the coloured code is another one")
	}
	if err := WriteQR(io.Discard, strings.Repeat("x", 10_000), false); err == nil {
		t.Error("a text that is too long was drawn")
	}
}
