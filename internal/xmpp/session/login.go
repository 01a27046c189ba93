// SPDX-License-Identifier: Apache-2.0

package session

import "time"

// A LogIn is how and when the client of a session has proved who it is.
type LogIn struct {
	At       time.Time // of the proof; the zero Time where that is not known
	Password bool      // it knew the password; else it had a token, a code or a certificate
}

// ByPassword reports whether the client proved that it knows the password, within that time before now. The clock may
// have been set back since, over a restart: what is as far in the future does not count either.
func (l LogIn) ByPassword(now time.Time, within time.Duration) bool {
	return l.Password && now.Sub(l.At).Abs() < within
}
