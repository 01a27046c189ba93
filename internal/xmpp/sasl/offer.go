// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// An Offer is what a server has told its client before an exchange of SCRAM. The exchange protects it: the server
// repeats it under the password's signature, so that both notice where somebody on the way has changed it.
type Offer struct {
	Mechanisms []string // as listed in the profile in use; none: nothing is said of them
	Channel    Channel  // whose types were announced; the zero value: none were
}

// attributes are the optional attributes of the server's first message.
func (o Offer) attributes(h Hash) string {
	s := ""
	if len(o.Mechanisms) > 0 {
		s += ",h=" + o.digest(h) // XEP-0474 §6.1
	}
	if o.Channel.version != 0 {
		s += fmt.Sprintf(",t=%04x", o.Channel.version) // XEP-0515 §4.1
	}
	return s
}

// digest is XEP-0474 §6.1: the hash of all mechanisms and channel binding types, in base64.
func (o Offer) digest(h Hash) string {
	const between, behind = "\x1e", "\x1f"
	s := strings.Join(slices.Sorted(slices.Values(o.Mechanisms)), between)
	if types := o.Channel.Types(); len(types) > 0 {
		s += behind + strings.Join(slices.Sorted(slices.Values(types)), between)
	}
	return base64.StdEncoding.EncodeToString(h.sum([]byte(s)))
}

// binds reports whether the client was offered channel binding.
func (o Offer) binds() bool { return len(o.Channel.Types()) > 0 }
