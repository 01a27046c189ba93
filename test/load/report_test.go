// SPDX-License-Identifier: Apache-2.0

package load

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A figure is one thing that is measured.
type figure uint8

const (
	startTook figure = iota
	baseMemory
	idleTLS
	idleTLSLater
	idleResumable
	idleResumableLater
	idleWebSocket
	idleWebSocketLater
	loginStartTLS
	loginDirectTLS
	loginX25519
	loginWebSocket
	loginSASL2
	loginFAST
	floodCPU
	floodRate
	durableCPU
	durableRate
	paceCPU
	paceP50
	paceP99
	absentCPU
	catchUpCPU
	pageCPU
	pageWall
	friendsLogin
	presenceCPU
)

// A line says how a figure stands in the table.
type line struct {
	figure figure
	what   string
	format string
	more   bool    // more is better
	budget float64 // what our server must keep to in the short form; 0: none, since it depends on the machine's load
}

func lines() []line {
	return []line{
		{loginStartTLS, "log-in, STARTTLS, SASL, bind: CPU", "%.2f ms", false, 5},
		{loginDirectTLS, "log-in, direct TLS, SASL, bind: CPU", "%.2f ms", false, 5},
		{loginX25519, "the same, client without post-quantum keys: CPU", "%.2f ms", false, 5},
		{loginWebSocket, "log-in, WebSocket behind a proxy, SASL, bind: CPU", "%.2f ms", false, 5},
		{loginSASL2, "the same, SASL2 with Bind 2, new token: CPU", "%.2f ms", false, 5},
		{loginFAST, "the same, FAST with Bind 2: CPU", "%.2f ms", false, 5},
		{floodCPU, "message, as many as it takes: CPU", "%.3f ms", false, 1},
		{durableCPU, "the same, Prosody with SQLite: CPU", "%.3f ms", false, 0},
		{paceCPU, "message, 500/s: CPU", "%.3f ms", false, 2},
		{floodRate, "messages a second, at most", "%.0f", true, 0},
		{durableRate, "the same, Prosody with SQLite", "%.0f", true, 0},
		{paceP50, "message, 500/s: p50 until received", "%.1f ms", false, 0},
		{paceP99, "message, 500/s: p99 until received", "%.1f ms", false, 0},
		{absentCPU, "message for somebody who is away: CPU", "%.3f ms", false, 1},
		{catchUpCPU, "catching up with the archive, a message: CPU", "%.3f ms", false, 1},
		{pageCPU, "a page of 50 messages out of 20,000: CPU", "%.2f ms", false, 5},
		{pageWall, "the same, until the answer was read", "%.2f ms", false, 0},
		{friendsLogin, "log-in, direct TLS, 50 contacts present: CPU", "%.2f ms", false, 15},
		{presenceCPU, "a presence to a contact: CPU", "%.3f ms", false, 0.2},
		{idleTLS, "idle session, TLS: memory as is", "%.1f KiB", false, 80},
		{idleTLSLater, "idle session, TLS: memory a minute later", "%.1f KiB", false, 40},
		{idleResumable, "idle session that can be resumed, TLS: memory as is", "%.1f KiB", false, 80},
		{idleResumableLater, "idle session that can be resumed, TLS: memory a minute later", "%.1f KiB", false, 40},
		{idleWebSocket, "idle session, WebSocket without TLS: memory as is", "%.1f KiB", false, 80},
		{idleWebSocketLater, "idle session, WebSocket without TLS: memory a minute later", "%.1f KiB", false, 40},
		{baseMemory, "memory of the server before that", "%.0f MiB", false, 100},
		{startTook, "start until the first answer", "%.0f ms", false, 0},
	}
}

// A report is what was measured.
type report struct {
	kinds  []*kind
	values map[value][]float64
}

type value struct {
	figure figure
	kind   string
}

func (r *report) add(f figure, k *kind, v float64) {
	at := value{f, k.name}
	r.values[at] = append(r.values[at], v)
}

// median returns the middle of what was measured; ok says whether anything was.
func (r *report) median(f figure, k *kind) (v float64, ok bool) {
	list := slices.Sorted(slices.Values(r.values[value{f, k.name}]))
	if len(list) == 0 {
		return 0, false
	}
	return list[len(list)/2], true
}

// String is a table with the medians, the ratio first: how much better our server is than the better of the others.
func (r *report) String() string {
	var b strings.Builder
	b.WriteString("| | × the better |")
	for _, k := range r.kinds {
		fmt.Fprintf(&b, " %s |", k.name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(r.kinds)+1) + "\n")
	for _, l := range lines() {
		if _, ok := r.median(l.figure, r.kinds[0]); !ok {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s |", l.what, r.ratio(l))
		for _, k := range r.kinds {
			b.WriteString(" " + r.cell(l, k) + " |")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// ratio says how many times better our server is than the better of the others; "" where there is nothing to compare.
func (r *report) ratio(l line) string {
	ours, _ := r.median(l.figure, r.kinds[0])
	least := 0.0
	for _, k := range r.kinds[1:] {
		theirs, ok := r.median(l.figure, k)
		if !ok || ours <= 0 || theirs <= 0 {
			continue
		}
		times := theirs / ours
		if l.more {
			times = ours / theirs
		}
		if least == 0 || times < least {
			least = times
		}
	}
	if least == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", least)
}

// cell is the median with its unit.
func (r *report) cell(l line, k *kind) string {
	v, ok := r.median(l.figure, k)
	if !ok {
		return "–"
	}
	return fmt.Sprintf(l.format, v)
}

// check holds our server to the budgets.
func (r *report) check(t *testing.T) {
	for _, l := range lines() {
		if v, ok := r.median(l.figure, r.kinds[0]); ok && l.budget > 0 && v > l.budget {
			t.Errorf("%s: "+l.format+", the budget is "+l.format, l.what, v, l.budget)
		}
	}
}
