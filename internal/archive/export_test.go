// SPDX-License-Identifier: Apache-2.0

package archive

import "context"

// Remember makes a remember n owners and peers only.
func (a *Archive) Remember(n int) { a.cached = n }

// Index indexes all that owner has, as Run does for those who asked for much.
func (a *Archive) Index(ctx context.Context, owner int64, texts bool) error {
	return a.index(ctx, wanted{owner, texts})
}

// Search takes all the places of those that look through much, until the function that it returns is called.
func (a *Archive) Search() (end func()) {
	for range cap(a.searches) {
		a.searches <- struct{}{}
	}
	return func() {
		for range cap(a.searches) {
			<-a.searches
		}
	}
}

// Wanted reports whether something is to be indexed.
func (a *Archive) Wanted() bool { return len(a.wanted) > 0 }
