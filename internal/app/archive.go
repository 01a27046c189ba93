// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/seen"
)

// upkeep says how archives are kept: messages for so many days (0: for ever), and what waits for somebody longer, where he
// or she was here within that time or has a device that can be woken.
func upkeep(days int, last *seen.Service, woken *push.Service, log *slog.Logger) archive.Upkeep {
	kept := time.Duration(days) * 24 * time.Hour
	return archive.Upkeep{For: kept, Log: log.With("pkg", "archive"), Keep: func(ctx context.Context, owner int64) (bool, error) {
		if woken.Wakes(owner) { // somebody was told of it, and may come for it
			return true, nil
		}
		l, err := last.Last(ctx, owner)
		return time.Since(l.At) < kept, err
	}}
}
