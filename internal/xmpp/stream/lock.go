// SPDX-License-Identifier: Apache-2.0

package stream

// A lock is a mutex that is held during I/O. It is a channel, because testing/synctest knows of a goroutine that
// waits for a channel that it waits, and of one that waits for a sync.Mutex it does not.
type lock chan struct{}

func newLock() lock    { return make(lock, 1) }
func (l lock) Lock()   { l <- struct{}{} }
func (l lock) Unlock() { <-l }

// TryLock locks l if nobody holds it, and says whether it did.
func (l lock) TryLock() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}
