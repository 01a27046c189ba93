// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"fmt"
	"net/http"
	"strings"

	"rsc.io/qr"

	"github.com/kith-im/kith/internal/invite"
)

// quiet is the empty margin that a QR code needs, in modules.
const quiet = 4

// qr answers with the address of an invitation's page as a picture. It is dark on white in the dark theme as well:
// many cameras read nothing else.
func (p *Portal) qr(w http.ResponseWriter, r *http.Request) {
	token := invite.Token(r.PathValue("token"))
	if _, ok := p.look(w, r, token); !ok {
		return
	}
	svg, err := drawQR(p.o.URL + here(token))
	if err != nil {
		p.broken(w, r, err)
		return
	}
	p.private(w, r)
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = w.Write(svg) // the peer is gone; nothing to tell
}

// drawQR returns text as a QR code in SVG: one path, made of the horizontal runs of its dark modules.
func drawQR(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	var b strings.Builder
	size := code.Size + 2*quiet
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, size, size)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/><path fill="#10211f" d="`, size, size)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return []byte(b.String()), nil
}
