// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"sync"
)

// A bell lets goroutines wait for something that changes. It is embedded in what changes.
type bell struct {
	mu     sync.Mutex    // guards what it is embedded in, as far as that says so
	change chan struct{} // closed with the next change; nil where nobody waits
}

// changed wakes who waits. mu is held.
func (b *bell) changed() {
	if b.change != nil {
		close(b.change)
		b.change = nil
	}
}

// await waits until ok, which is called with mu held.
func (b *bell) await(ctx context.Context, ok func() bool) error { return b.awaitOr(ctx, nil, ok) }

// awaitOr is await, but returns errEnded when over is closed.
func (b *bell) awaitOr(ctx context.Context, over <-chan struct{}, ok func() bool) error {
	for {
		b.mu.Lock()
		if ok() {
			b.mu.Unlock()
			return nil
		}
		if b.change == nil {
			b.change = make(chan struct{})
		}
		change := b.change
		b.mu.Unlock()
		select {
		case <-change:
		case <-over:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
