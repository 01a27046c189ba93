// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"fmt"
	"io"
	"strings"

	"rsc.io/qr"
)

// quiet is the empty margin around a QR code, in modules. The standard asks for four; phones do with two, and a
// terminal is small.
const quiet = 2

// WriteQR draws text as a QR code, two modules in a character. With colour it is black on white whatever the terminal's
// own colours are; without, for files and pipes, it is right where text is dark on light.
func WriteQR(w io.Writer, text string, colour bool) error {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return fmt.Errorf("draw QR code: %w", err)
	}
	before, after := "", ""
	if colour {
		before, after = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString(before)
		for x := -quiet; x < code.Size+quiet; x++ {
			upper, lower := code.Black(x, y), code.Black(x, y+1) // outside of the code all is white
			switch {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString(after + "\n")
	}
	_, err = io.WriteString(w, b.String())
	return err
}
