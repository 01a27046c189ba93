// SPDX-License-Identifier: Apache-2.0

package contact

import (
	"testing"

	"pgregory.net/rapid"
)

// The nine states in the order of RFC 6121 §A.1.
const (
	none      = None
	noneOut   = PendingOut
	noneIn    = PendingIn
	noneOutIn = PendingOut | PendingIn
	to        = To
	toIn      = To | PendingIn
	from      = From
	fromOut   = From | PendingOut
	both      = Both
)

var states = []State{none, noneOut, noneIn, noneOutIn, to, toIn, from, fromOut, both}

func TestStateNames(t *testing.T) {
	t.Parallel()
	want := []string{"None", "None + Pending Out", "None + Pending In", "None + Pending Out+In", "To", "To + Pending In",
		"From", "From + Pending Out", "Both"}
	for i, s := range states {
		if got := s.String(); got != want[i] {
			t.Errorf("got %q, want %q", got, want[i])
		}
	}
}

// outboundTables are tables 2 to 5 of RFC 6121 §A.2.
var outboundTables = []struct {
	typ         Type
	state       State
	route       bool
	next        State
	preapproval bool
}{
	// RFC 6121 §A.2.1
	{Subscribe, none, true, noneOut, false},
	{Subscribe, noneOut, true, noneOut, false},
	{Subscribe, noneIn, true, noneOutIn, false},
	{Subscribe, noneOutIn, true, noneOutIn, false},
	{Subscribe, to, true, to, false},
	{Subscribe, toIn, true, toIn, false},
	{Subscribe, from, true, fromOut, false},
	{Subscribe, fromOut, true, fromOut, false},
	{Subscribe, both, true, both, false},
	// RFC 6121 §A.2.2
	{Unsubscribe, none, true, none, false},
	{Unsubscribe, noneOut, true, none, false},
	{Unsubscribe, noneIn, true, noneIn, false},
	{Unsubscribe, noneOutIn, true, noneIn, false},
	{Unsubscribe, to, true, none, false},
	{Unsubscribe, toIn, true, noneIn, false},
	{Unsubscribe, from, true, from, false},
	{Unsubscribe, fromOut, true, from, false},
	{Unsubscribe, both, true, from, false},
	// RFC 6121 §A.2.3
	{Subscribed, none, false, none, true},
	{Subscribed, noneOut, false, noneOut, true},
	{Subscribed, noneIn, true, from, false},
	{Subscribed, noneOutIn, true, fromOut, false},
	{Subscribed, to, false, to, true},
	{Subscribed, toIn, true, both, false},
	{Subscribed, from, false, from, false},
	{Subscribed, fromOut, false, fromOut, false},
	{Subscribed, both, false, both, false},
	// RFC 6121 §A.2.4
	{Unsubscribed, none, false, none, false},
	{Unsubscribed, noneOut, false, noneOut, false},
	{Unsubscribed, noneIn, true, none, false},
	{Unsubscribed, noneOutIn, true, noneOut, false},
	{Unsubscribed, to, false, to, false},
	{Unsubscribed, toIn, true, to, false},
	{Unsubscribed, from, true, none, false},
	{Unsubscribed, fromOut, true, noneOut, false},
	{Unsubscribed, both, true, to, false},
}

// inboundTables are tables 6 to 9 of RFC 6121 §A.3.
var inboundTables = []struct {
	typ     Type
	state   State
	deliver bool
	next    State
	reply   Type
}{
	// RFC 6121 §A.3.1
	{Subscribe, none, true, noneIn, ""},
	{Subscribe, noneOut, true, noneOutIn, ""},
	{Subscribe, noneIn, false, noneIn, ""},
	{Subscribe, noneOutIn, false, noneOutIn, ""},
	{Subscribe, to, true, toIn, ""},
	{Subscribe, toIn, false, toIn, ""},
	{Subscribe, from, false, from, Subscribed},
	{Subscribe, fromOut, false, fromOut, Subscribed},
	{Subscribe, both, false, both, Subscribed},
	// RFC 6121 §A.3.2
	{Unsubscribe, none, false, none, ""},
	{Unsubscribe, noneOut, false, noneOut, ""},
	{Unsubscribe, noneIn, true, none, Unsubscribed},
	{Unsubscribe, noneOutIn, true, noneOut, Unsubscribed},
	{Unsubscribe, to, false, to, ""},
	{Unsubscribe, toIn, true, to, Unsubscribed},
	{Unsubscribe, from, true, none, Unsubscribed},
	{Unsubscribe, fromOut, true, noneOut, Unsubscribed},
	{Unsubscribe, both, true, to, Unsubscribed},
	// RFC 6121 §A.3.3
	{Subscribed, none, false, none, ""},
	{Subscribed, noneOut, true, to, ""},
	{Subscribed, noneIn, false, noneIn, ""},
	{Subscribed, noneOutIn, true, toIn, ""},
	{Subscribed, to, false, to, ""},
	{Subscribed, toIn, false, toIn, ""},
	{Subscribed, from, false, from, ""},
	{Subscribed, fromOut, true, both, ""},
	{Subscribed, both, false, both, ""},
	// RFC 6121 §A.3.4
	{Unsubscribed, none, false, none, ""},
	{Unsubscribed, noneOut, true, none, ""},
	{Unsubscribed, noneIn, false, noneIn, ""},
	{Unsubscribed, noneOutIn, true, noneIn, ""},
	{Unsubscribed, to, true, none, ""},
	{Unsubscribed, toIn, true, noneIn, ""},
	{Unsubscribed, from, false, from, ""},
	{Unsubscribed, fromOut, true, from, ""},
	{Unsubscribed, both, true, from, ""},
}

func TestOutboundTables(t *testing.T) {
	t.Parallel()
	for _, tt := range outboundTables {
		next, route, preapproval := tt.state.outbound(tt.typ)
		if next != tt.next || route != tt.route || preapproval != tt.preapproval {
			t.Errorf("%s in %q: got %q, route %v, pre-approval %v, want %q, %v, %v",
				tt.typ, tt.state, next, route, preapproval, tt.next, tt.route, tt.preapproval)
		}
	}
}

func TestInboundTables(t *testing.T) {
	t.Parallel()
	for _, tt := range inboundTables {
		next, deliver, reply := tt.state.inbound(tt.typ, false)
		if next != tt.next || deliver != tt.deliver || reply != tt.reply {
			t.Errorf("%s in %q: got %q, deliver %v, reply %q, want %q, %v, %q",
				tt.typ, tt.state, next, deliver, reply, tt.next, tt.deliver, tt.reply)
		}
		if tt.typ == Subscribe {
			continue
		}
		next, deliver, reply = tt.state.inbound(tt.typ, true)
		if next != tt.next || deliver != tt.deliver || reply != tt.reply {
			t.Errorf("%s in %q, approved: got %q, %v, %q, as if that mattered", tt.typ, tt.state, next, deliver, reply)
		}
	}
}

// RFC 6121 §3.4.2: what was approved in advance is granted, and not delivered.
func TestInboundSubscribeApproved(t *testing.T) {
	t.Parallel()
	for state, want := range map[State]State{none: from, noneOut: fromOut, to: both, from: from, fromOut: fromOut, both: both} {
		next, deliver, reply := state.inbound(Subscribe, true)
		if next != want || deliver || reply != Subscribed {
			t.Errorf("%q: got %q, deliver %v, reply %q, want %q, answered with %s", state, next, deliver, reply, want, Subscribed)
		}
	}
}

// Two servers that hand each other what their tables say to route never disagree about who sees whom.
func TestBothSidesAgree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var side [2]State
		var approved [2]bool
		send := func(who int, typ Type) {
			next, route, preapproval := side[who].outbound(typ)
			side[who] = next
			approved[who] = typ != Unsubscribed && (approved[who] || preapproval)
			for route {
				who = 1 - who
				next, _, reply := side[who].inbound(typ, approved[who])
				side[who] = next
				// An answer is the server's own: it goes on without the outbound tables.
				typ, route = reply, reply != ""
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			send(rapid.IntRange(0, 1).Draw(t, "who"),
				rapid.SampledFrom([]Type{Subscribe, Subscribed, Unsubscribe, Unsubscribed}).Draw(t, "type"))
			for i := range side {
				valid := false
				for _, s := range states {
					valid = valid || s == side[i]
				}
				if !valid {
					t.Fatalf("state %q is none of the nine", side[i])
				}
			}
			if side[0].Has(To) != side[1].Has(From) || side[0].Has(From) != side[1].Has(To) {
				t.Fatalf("one says %q, the other %q", side[0], side[1])
			}
			if side[0].Has(PendingOut) != side[1].Has(PendingIn) || side[0].Has(PendingIn) != side[1].Has(PendingOut) {
				t.Fatalf("one says %q, the other %q", side[0], side[1])
			}
		}
	})
}
