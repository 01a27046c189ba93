// SPDX-License-Identifier: Apache-2.0

package unifiedpush

import (
	"crypto/sha256"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/kith-im/kith/internal/xmpp/stanza"
)

const (
	absentRetry = time.Minute      // until who posts may find the device there
	busyRetry   = 10 * time.Second // until it may post again
)

// ServeHTTP answers for Path. It may be called concurrently.
func (u *UnifiedPush) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodGet, http.MethodHead: // whoever discovers push servers asks so
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"unifiedpush":{"version":1}}`+"\n") // the peer is gone; nothing to tell
	case http.MethodPost:
		u.post(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// post takes a message for an app (RFC 8030 §5).
func (u *UnifiedPush) post(w http.ResponseWriter, r *http.Request) {
	if !u.Limit(r) {
		later(w, http.StatusTooManyRequests, busyRetry)
		return
	}
	token := strings.TrimPrefix(r.URL.Path, Path)
	e, err := u.seal.open(token)
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	name := sha256.Sum256([]byte(token))
	if u.Now().After(e.until) || u.isRevoked(name) {
		w.WriteHeader(http.StatusGone)
		return
	}
	if !u.allow(name) {
		later(w, http.StatusTooManyRequests, busyRetry)
		return
	}
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	_, long := errors.AsType[*http.MaxBytesError](err)
	switch {
	case long || len(payload) > maxPayload: // RFC 8030 §7.2
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	case err != nil || len(payload) == 0:
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	switch refused := u.push(r.Context(), e, payload); {
	case refused == nil:
		w.Header().Set("TTL", "0") // RFC 8030 §5.2
		w.WriteHeader(http.StatusCreated)
	case errors.Is(refused, stanza.ItemNotFound), errors.Is(refused, stanza.FeatureNotImplemented):
		u.revoke(name, e.until)
		w.WriteHeader(http.StatusNotFound)
	default:
		later(w, http.StatusServiceUnavailable, absentRetry)
	}
}

func later(w http.ResponseWriter, status int, after time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(after/time.Second)))
	w.WriteHeader(status)
}

// allow counts a post to an endpoint.
func (u *UnifiedPush) allow(name [sha256.Size]byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	l := u.buckets[name]
	if l == nil {
		if len(u.buckets) >= maxBuckets {
			clear(u.buckets)
		}
		l = rate.NewLimiter(rate.Every(postEvery), postBurst)
		u.buckets[name] = l
	}
	return l.AllowN(u.Now(), 1)
}

func (u *UnifiedPush) isRevoked(name [sha256.Size]byte) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.revoked[name]
	return ok
}

// revoke remembers that an endpoint is of no use any more, until it would not be anyway. What is forgotten for lack of room
// is revoked again by its next use.
func (u *UnifiedPush) revoke(name [sha256.Size]byte, until time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.revoked) >= maxRevoked {
		now := u.Now()
		maps.DeleteFunc(u.revoked, func(_ [sha256.Size]byte, until time.Time) bool { return now.After(until) })
	}
	if len(u.revoked) < maxRevoked {
		u.revoked[name] = until
	}
}
