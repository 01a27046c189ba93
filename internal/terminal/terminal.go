// SPDX-License-Identifier: Apache-2.0

// Package terminal is for the person who sits at one: passwords that do not show, QR codes that a phone can read off the
// screen, and text of others that cannot move the cursor.
package terminal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
)

// ErrNoLine says that the input ended before there was a line.
var ErrNoLine = errors.New("terminal: there is no input")

// Is reports whether f is a terminal.
func Is(f *os.File) bool {
	_, err := state(int(f.Fd()))
	return err == nil
}

// Ask shows prompt on out and reads a line from the terminal in, without its end. It returns when ctx ends, too; the
// line that is typed then is lost.
func Ask(ctx context.Context, in *os.File, out io.Writer, prompt string) (string, error) {
	fmt.Fprint(out, prompt)
	return readLine(ctx, in)
}

// AskSecret is Ask for what must not show on the screen. The terminal shows again what is typed when it returns.
func AskSecret(ctx context.Context, in *os.File, out io.Writer, prompt string) (string, error) {
	fd := int(in.Fd())
	before, err := state(fd)
	if err != nil {
		return "", fmt.Errorf("hide what is typed: %w", err)
	}
	if err := hide(fd, before); err != nil {
		return "", fmt.Errorf("hide what is typed: %w", err)
	}
	defer fmt.Fprintln(out) // the one that was typed did not show
	defer restore(fd, before)
	return Ask(ctx, in, out, prompt)
}

// readLine reads up to the end of a line, byte by byte, so that what follows it stays for the next.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	type result struct {
		line string
		err  error
	}
	done := make(chan result, 1)
	go func() { // ends with the next line or, if nobody types it, with the program
		var r result
		r.line, r.err = ReadLine(in)
		done <- r
	}()
	select {
	case r := <-done:
		return r.line, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// ReadLine reads a line without its end from in, and nothing behind it. It returns ErrNoLine at the end of the input.
func ReadLine(in io.Reader) (string, error) {
	line, err := bufio.NewReaderSize(oneByte{in}, 16).ReadString('\n')
	if errors.Is(err, io.EOF) && line != "" {
		err = nil
	}
	if errors.Is(err, io.EOF) {
		return "", ErrNoLine
	}
	return strings.TrimRight(line, "\r\n"), err
}

// oneByte keeps a buffer from reading ahead.
type oneByte struct{ io.Reader }

func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }

// Printable returns s with everything replaced that a terminal might obey or that would break a line.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}
