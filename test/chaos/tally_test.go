// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// What one phone sends another, or a whole account.
const (
	toBare  = 'b' // a message for every device of an account
	toFull  = 'f' // a message for one device
	request = 'q'
	answer  = 'r' // to a request
	ping    = 'p' // a request to the server
)

// A letter is one stanza, of which each recipient must get exactly one copy, in the sender's order.
type letter struct {
	kind byte
	from int // the phone's number
	n    int // among those of from
}

func (x letter) String() string { return fmt.Sprintf("%c-%d-%d", x.kind, x.from, x.n) }

// text is what a message says: of any length.
func (x letter) text() string { return x.String() + " " + strings.Repeat("lorem ipsum ", x.n%7*x.n%60) }

func parseLetter(s string) (x letter, err error) {
	parts := strings.Split(s, "-")
	if len(parts) != 3 || len(parts[0]) != 1 {
		return x, fmt.Errorf("nobody has ever sent %q", s)
	}
	x.kind = parts[0][0]
	if x.from, err = strconv.Atoi(parts[1]); err == nil {
		x.n, err = strconv.Atoi(parts[2])
	}
	return x, err
}

// maxDue is how many letters may be due to one phone: a session that sleeps holds a thousand stanzas.
const maxDue = 200

// A tally knows what is due to whom. It may be used by many goroutines.
type tally struct {
	bell  // its mu guards all below
	flows map[[2]int]*flow
	due   []int // by phone: letters that are due to it
	open  int   // of all
	sent  int   // answers not included
	came  int
	again int // sessions that were resumed
}

// A flow is what goes from one phone to another one.
type flow struct {
	letters []letter
	next    int // index of the first that has not come
}

func newTally(phones int) *tally {
	return &tally{flows: map[[2]int]*flow{}, due: make([]int, phones)}
}

func (l *tally) flow(from, to int) *flow {
	f := l.flows[[2]int{from, to}]
	if f == nil {
		f = &flow{}
		l.flows[[2]int{from, to}] = f
	}
	return f
}

// owe notes that x is due to phones. The sender calls it in the order of sending.
func (l *tally) owe(x letter, to ...int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.changed()
	for _, p := range to {
		f := l.flow(x.from, p)
		f.letters = append(f.letters, x)
		l.due[p]++
		l.open++
	}
}

// wrote notes that somebody who chats has sent a letter.
func (l *tally) wrote() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	l.changed()
}

// arrived notes that x has come to a phone, and returns an error where it was not its turn.
func (l *tally) arrived(x letter, to int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.flow(x.from, to)
	if f.next == len(f.letters) || f.letters[f.next] != x {
		next := "nothing"
		if f.next < len(f.letters) {
			next = f.letters[f.next].String()
		}
		for i, y := range f.letters {
			switch {
			case x == y && i < f.next:
				return fmt.Errorf("%v came a second time to %d; it was the turn of %s", x, to, next)
			case x == y:
				return fmt.Errorf("%v came to %d, and %s was before it: %d were passed over", x, to, next, i-f.next)
			}
		}
		return fmt.Errorf("%v came to %d and was not for it", x, to)
	}
	f.next++
	l.add(to, -1)
	return nil
}

// forgotten takes the last of a sender's that has come to a phone back.
func (l *tally) forgotten(from, to int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flow(from, to).next--
	l.add(to, 1)
}

// add counts what is due. mu is held.
func (l *tally) add(to, n int) {
	l.due[to] += n
	l.open += n
	l.came -= n
	l.changed()
}

// resumed notes that a session was.
func (l *tally) resumed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.again++
	l.changed()
}

// room waits until each of the phones may get one more.
func (l *tally) room(ctx context.Context, phones ...int) error {
	return l.await(ctx, func() bool {
		for _, p := range phones {
			if l.due[p] >= maxDue {
				return false
			}
		}
		return true
	})
}

// all waits until everything has come.
func (l *tally) all(ctx context.Context) error {
	return l.await(ctx, func() bool { return l.open == 0 })
}

// missing lists some of what has not come.
func (l *tally) missing() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, f := range l.flows {
		if f.next < len(f.letters) {
			list = append(list, fmt.Sprintf("to %d never came %v, and %d behind it", k[1], f.letters[f.next],
				len(f.letters)-f.next-1))
		}
	}
	return list
}

func (l *tally) sum() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d sent, %d copies came, %d times resumed", l.sent, l.came, l.again)
}
