// SPDX-License-Identifier: Apache-2.0

package router

// Census counts the devices whose accounts have their home here: those with a connection, and those asleep between
// two. It looks at every account that has something to do or a device, one after the other: for who looks now and then.
func (r *Router) Census() (awake, asleep int) {
	r.turnsMu.Lock()
	turns := make([]*turn, 0, len(r.turns))
	for _, t := range r.turns {
		turns = append(turns, t)
	}
	r.turnsMu.Unlock()
	for _, t := range turns {
		t.mu.Lock()
		devices := t.devices // replaced, never changed in place
		t.mu.Unlock()
		for _, d := range devices {
			if d.asleep.Load() == 0 {
				awake++
			} else {
				asleep++
			}
		}
	}
	return awake, asleep
}
