// SPDX-License-Identifier: Apache-2.0

package archive

// Remember makes a remember n owners and peers only.
func (a *Archive) Remember(n int) { a.cached = n }
