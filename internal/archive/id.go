// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"encoding/base32"
	"encoding/binary"
	"time"
)

// ID names an entry among those of its owner: the microseconds since 1970 at which it was recorded, or a little
// more. It is greater than 0; as a text, as clients see it, it has always 13 characters.
//
// XEP-0359 §3 would have ids hard to guess; ours tell the time, which stands beside them anyway, so that they sort
// and need no second index. Who guesses one gets nothing: it means something to its owner only.
type ID int64

// encoding is base32hex (RFC 4648 §7) in lower case; its digits sort like their values.
var encoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// String returns the text that stands for id outside of the server.
func (id ID) String() string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	return encoding.EncodeToString(b[:])
}

// Time returns when the entry was recorded, in UTC.
func (id ID) Time() time.Time { return time.UnixMicro(int64(id)).UTC() }

// ParseID reads what String has written. All else is an id that we never gave: ErrUnknown.
func ParseID(s string) (ID, error) {
	if len(s) != 13 {
		return 0, ErrUnknown
	}
	b, err := encoding.DecodeString(s)
	if err != nil || len(b) != 8 { // base32 passes over line breaks
		return 0, ErrUnknown
	}
	id := ID(binary.BigEndian.Uint64(b))
	if id <= 0 || id.String() != s { // the last bits of s may be none of ours
		return 0, ErrUnknown
	}
	return id, nil
}
