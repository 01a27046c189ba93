// SPDX-License-Identifier: Apache-2.0

package xmlstream

import (
	"bytes"
	"io"
	"math"
)

// A Kind says what a Token is.
type Kind uint8

// The kinds of tokens.
const (
	Open  Kind = iota + 1 // the stream header; the Element has its name and attributes, and no children
	Child                 // a complete first-level element
	Close                 // the end of the stream; no Element
)

// A Token is what Next returns.
type Token struct {
	Kind    Kind
	Element *Element // nil for Close
}

// A Parser reads a stream of XML (RFC 6120 §4). It never blocks: Feed takes what has arrived, and Next gives a
// token if there is one. Fed in pieces of whatever size, it looks at each byte a constant number of times.
//
// A Parser is not safe for concurrent use. The elements it gives are independent of it.
type Parser struct {
	limits Limits
	buf    []byte
	start  int // buf[start:] is the window: what is not yet consumed. All offsets below are into the window
	pos    int // what comes before is parsed
	text   int // where the run of text at pos begins
	scan   int // within the incomplete tag at pos: what comes before has no '>' outside of quotes. 0: not looked at
	quote  byte
	cdata  bool // pos is inside a CDATA section
	state  state
	err    error

	content string    // default namespace of the header
	header  []binding // what else the header binds; shared with elements, never changed
	root    string    // qualified name of the header

	single string // the one document that is read in place of a stream, the same as buf

	nodes []node // of the first-level element that is being read
	attrs []attr
	stack []frame // its elements that are open
	binds []bind
	mixed bool // the element must be rewritten: see finish
}

type state uint8

const (
	atStart  state = iota // nothing was read but white space
	declared              // the XML declaration was read
	between               // between first-level elements, or inside one
	ending                // the stream header was an empty element
	closed                // the stream was closed
)

// A binding is a prefix that the stream header binds.
type binding struct{ prefix, uri string }

// A bind is a prefix bound inside the first-level element.
type bind struct {
	prefix span
	uri    span
	depth  int32
}

// A frame is an element whose end has not been read. Depths count from 0 for the first-level element; what the
// stream header binds is bound at depth -1, and what is good everywhere at depth everywhere.
type frame struct {
	node      uint32
	binds     uint32 // length of binds before it
	def       span   // default namespace inside
	defDepth  int32  // where that is bound
	low       int32  // the outermost depth whose binding is used in it so far
	lowPrefix int32  // the same for prefixes only
}

const everywhere = math.MaxInt32

// NewParser returns a Parser that expects a stream header.
func NewParser(l Limits) *Parser { return &Parser{limits: l} }

// SetLimits changes the limits, for what is still incomplete too.
func (p *Parser) SetLimits(l Limits) { p.limits = l }

// Feed appends a copy of b to what is to be parsed. After an error it does nothing.
func (p *Parser) Feed(b []byte) {
	if p.err != nil {
		return
	}
	if p.start > 0 && len(p.buf)+len(b) > cap(p.buf) {
		n := copy(p.buf, p.buf[p.start:])
		p.buf, p.start = p.buf[:n], 0
	}
	p.buf = append(p.buf, b...)
}

// Buffered returns how many of the bytes fed are not consumed: those of an incomplete token, and those that follow
// the last token. It is 0 where a peer sent nothing behind the element that Next gave last, as STARTTLS demands.
func (p *Parser) Buffered() int { return len(p.buf) - p.start }

// SkipSpace consumes the white space at the head of what is buffered. It is for between two elements.
func (p *Parser) SkipSpace() {
	w := p.buf[p.start:]
	i := 0
	for i < len(w) && classes[w[i]]&isSpace != 0 {
		i++
	}
	if i > 0 {
		p.consume(i)
	}
}

// Release gives the memory back that the parser works with if nothing is buffered, and does nothing otherwise.
// Call it when a stream falls silent; the next Feed takes memory anew.
func (p *Parser) Release() {
	if p.Buffered() == 0 && len(p.stack) == 0 {
		p.buf, p.nodes, p.attrs, p.stack, p.binds = nil, nil, nil, nil, nil
		p.start = 0
	}
}

// Reset makes the parser expect a stream header, as after authentication (RFC 6120 §6.4.6). What is buffered stays
// and belongs to the new stream. An error stays too.
func (p *Parser) Reset() {
	*p = Parser{limits: p.limits, buf: p.buf, start: p.start, err: p.err}
}

// Content returns the default namespace that the stream header declared, which is the content namespace of the
// stream (RFC 6120 §4.8.2): "jabber:client" for a client. It is "" before Open and where there is none.
func (p *Parser) Content() string { return p.content }

// Next returns the next token. ErrMore says that more must be fed first, and io.EOF that the stream was closed.
// Every other error is a *SyntaxError; it is returned again by all calls that follow.
func (p *Parser) Next() (Token, error) {
	if p.err != nil {
		return Token{}, p.err
	}
	tok, err := p.next()
	if err != nil && err != ErrMore {
		p.err = err
		p.buf, p.nodes, p.attrs, p.stack, p.binds = nil, nil, nil, nil, nil
		p.start = 0
	}
	return tok, err
}

func (p *Parser) next() (Token, error) {
	for {
		switch p.state {
		case ending:
			p.state = closed
			return Token{Kind: Close}, nil
		case closed:
			return Token{}, io.EOF
		}
		if len(p.stack) > 0 {
			if err := p.characters(p.buf[p.start:]); err != nil {
				return Token{}, p.more(err)
			}
		} else if err := p.gap(); err != nil {
			return Token{}, p.more(err)
		}
		tok, err := p.markup(p.buf[p.start:])
		if err != nil {
			return Token{}, p.more(err)
		}
		if tok.Kind != 0 {
			return tok, nil
		}
	}
}

// more passes on err, but if it is ErrMore and the limit is reached already, says so.
func (p *Parser) more(err error) error {
	if err == ErrMore && p.Buffered() > p.limits.Bytes {
		return overLimit("element too long")
	}
	return err
}

// scratch makes room for an element of usual size, in one piece.
func (p *Parser) scratch() {
	s := new(struct {
		nodes [12]node
		attrs [20]attr
		stack [6]frame
		binds [8]bind
	})
	p.nodes, p.attrs, p.stack, p.binds = s.nodes[:0], s.attrs[:0], s.stack[:0], s.binds[:0]
}

// consume drops the first n bytes of the window.
func (p *Parser) consume(n int) {
	p.start += n
	p.pos, p.text, p.scan = 0, 0, 0
	if p.start == len(p.buf) {
		p.buf, p.start = p.buf[:0], 0
		if cap(p.buf) > maxIdle {
			p.buf = nil
		}
	}
}

// maxIdle bounds the buffer that is kept between two elements, in bytes.
const maxIdle = 16 << 10

// gap consumes the white space between first-level elements, which may be a keepalive (RFC 6120 §4.6.1), up to
// a '<'.
func (p *Parser) gap() error {
	w := p.buf[p.start:]
	i := 0
	for i < len(w) && classes[w[i]]&isSpace != 0 {
		i++
	}
	if i > 0 && p.single != "" && p.state == atStart {
		return illFormed("white space before the element")
	}
	if i > 0 {
		p.consume(i)
	}
	switch {
	case i == len(w):
		return ErrMore
	case w[i] == '<':
		return nil
	case p.state != between:
		return illFormed("no stream header") // a byte order mark too (RFC 6120 §11.6)
	}
	return &SyntaxError{BadFormat, "text between the elements of the stream"}
}

// markup reads what begins with the '<' at pos. It returns the zero Token if that completes no token.
func (p *Parser) markup(w []byte) (Token, error) {
	if len(w) < p.pos+2 {
		return Token{}, ErrMore
	}
	switch w[p.pos+1] {
	case '/':
		return p.endTag(w)
	case '?':
		return Token{}, p.declaration(w)
	case '!':
		return Token{}, p.section(w)
	}
	if !p.complete(w) {
		return Token{}, ErrMore
	}
	attrs, binds := len(p.attrs), len(p.binds)
	tok, err := p.startTag(w)
	if err == ErrMore { // forget what was read of it, and do not begin again before its '>' is there
		p.attrs, p.binds = p.attrs[:attrs], p.binds[:binds]
		p.incomplete(w)
	}
	return tok, err
}

// incomplete notes that the tag at pos ends behind w.
func (p *Parser) incomplete(w []byte) {
	p.scan, p.quote = p.pos+1, 0
	p.complete(w)
}

// complete reports whether it is worth reading the tag at pos: true if it was not tried before, or if its '>' has
// come, or a '<', which no tag may have. Each byte is looked at once.
func (p *Parser) complete(w []byte) bool {
	if p.scan == 0 {
		return true
	}
	for i, c := range w[p.scan:] {
		switch {
		case c == '<', c == '>' && p.quote == 0:
			p.scan += i
			return true
		case c == p.quote:
			p.quote = 0
		case p.quote == 0 && (c == '"' || c == '\''):
			p.quote = c
		}
	}
	p.scan = len(w)
	return false
}

// endTag reads an end tag: of the element that was opened last, or of the stream.
func (p *Parser) endTag(w []byte) (Token, error) {
	if !p.complete(w) {
		return Token{}, ErrMore
	}
	i := p.pos + 2
	var want []byte
	switch {
	case len(p.stack) > 0:
		top := &p.nodes[p.stack[len(p.stack)-1].node]
		want = w[top.start+1 : top.start+1+uint32(top.nameLen)]
	case p.state == between && p.single == "":
		want = []byte(p.root)
	default:
		return Token{}, illFormed("end tag without a start tag")
	}
	got := w[i:min(len(w), i+len(want))]
	if !bytes.HasPrefix(want, got) {
		return Token{}, illFormed("end tag does not match")
	}
	i += len(got)
	for i < len(w) && len(got) == len(want) && classes[w[i]]&isSpace != 0 {
		i++
	}
	if i == len(w) {
		p.incomplete(w)
		return Token{}, ErrMore
	}
	if w[i] != '>' {
		return Token{}, illFormed("end tag does not match")
	}
	if len(p.stack) == 0 {
		p.state = closed
		p.consume(i + 1)
		return Token{Kind: Close}, nil
	}
	return p.finish(w, uint32(p.pos), i+1)
}

// finish ends the element that was opened last: its content ends at inner, its end tag at end. If that is the
// first-level element, it is the token.
//
// p.mixed is set when the element, or the part of it that is read, is not in the form that Raw promises: a prefix
// of the stream header is used, or one of the first-level element in a child of it, or the content namespace is
// declared where it should be inherited, or has a prefix or another name than NSClient. Such elements are rare.
// They are written anew once and read again.
func (p *Parser) finish(w []byte, inner uint32, end int) (Token, error) {
	depth := int32(len(p.stack) - 1)
	f := p.stack[depth]
	p.stack = p.stack[:depth]
	p.binds = p.binds[:f.binds]
	n := &p.nodes[f.node]
	n.innerEnd, n.end, n.next = inner, uint32(end), uint32(len(p.nodes))
	if f.low < depth {
		n.flags |= needsOuter
	}
	p.pos, p.text, p.scan = end, end, 0
	if depth > 0 {
		up := &p.stack[depth-1]
		up.low, up.lowPrefix = min(up.low, f.low), min(up.lowPrefix, f.lowPrefix)
		if f.low < depth {
			p.nodes[up.node].flags |= kidNeeds
		}
		// A child of the first-level element must be self-contained but for the default namespace.
		p.mixed = p.mixed || depth == 1 && f.lowPrefix < depth
		return Token{}, nil
	}
	if end > p.limits.Bytes {
		return Token{}, overLimit("element too long")
	}
	p.mixed = p.mixed || f.low < 0
	e, err := p.element(w[:end])
	p.consume(end)
	return Token{Kind: Child, Element: e}, err
}

// exact returns a copy of s without room behind it.
func exact[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	out := make([]T, len(s))
	copy(out, s)
	return out
}

// element makes the Element of what was read, and forgets it.
func (p *Parser) element(w []byte) (*Element, error) {
	e := &Element{}
	if p.single != "" {
		e.doc = p.single[p.start : p.start+len(w)]
	} else {
		e.doc = string(w)
	}
	e.nodes, e.attrs = exact(p.nodes), exact(p.attrs)
	p.nodes, p.attrs = p.nodes[:0], p.attrs[:0]
	if cap(p.nodes)+cap(p.attrs) > maxIdle/32 {
		p.nodes, p.attrs = nil, nil
	}
	if !p.mixed {
		return e, nil
	}
	p.mixed = false
	e.outer = p.header
	out := rewriter{e: e, limit: p.limits.Bytes}.node(nil, 0, NSClient)
	if len(out) > p.limits.Bytes {
		return nil, overLimit("element too long without its prefixes")
	}
	return Parse(string(out), p.limits)
}
