// SPDX-License-Identifier: Apache-2.0

package unifiedpush

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/xmpp/jid"
)

var equal = cmp.Options{cmp.AllowUnexported(endpoint{}), cmp.Comparer(func(a, b jid.JID) bool { return a == b })}

func TestToken(t *testing.T) {
	t.Parallel()
	s := newSealer([32]byte{1}, "kith.example")
	e := endpoint{to: jid.MustParse("juliet@kith.example/phone"), app: [32]byte{2}, instance: [32]byte{3}, until: time.Unix(1_800_000_000, 0).UTC()}
	text := s.seal(e)
	got, err := s.open(text)
	if diff := cmp.Diff(e, got, equal); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if s.seal(e) == text {
		t.Error("it is the same each time")
	}
	for name, other := range map[string]sealer{
		"another key": newSealer([32]byte{2}, "kith.example"), "another domain": newSealer([32]byte{1}, "kith.test"),
	} {
		if _, err := other.open(text); err == nil {
			t.Errorf("%s opens it", name)
		}
	}
}

// FuzzOpen holds that nobody makes an endpoint who has not got the key.
func FuzzOpen(f *testing.F) {
	s := newSealer([32]byte{1}, "kith.example")
	good := s.seal(endpoint{to: jid.MustParse("a@b/c")})
	f.Add("")
	f.Add("AAAA")
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := s.open(text); err == nil {
			t.Errorf("%q is one", text)
		}
	})
}
