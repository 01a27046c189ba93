// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A visit is a log-in and the end of the session, as one kind of client does it.
type visit func(ctx context.Context, s *server, a *account) error

// classic is a visit with SASL and binding.
func classic(w way) visit {
	return func(ctx context.Context, s *server, a *account) error {
		c, err := dial(ctx, s, w)
		if err != nil {
			return err
		}
		defer c.Cut()
		return errors.Join(c.login(a), c.leave())
	}
}

// modern is a visit with SASL2 and Bind 2. Without token it uses the password even where the account has a token.
func modern(w way, token bool) visit {
	return func(ctx context.Context, s *server, a *account) error {
		if !token {
			a.token = ""
		}
		c, err := dial(ctx, s, w)
		if err != nil {
			return err
		}
		defer c.Cut()
		return errors.Join(c.login2(a), c.leave())
	}
}

// each calls f with 0 to n-1, several at a time, and stops at the first error. Two calls whose numbers are the same
// modulo workers do not overlap.
func each(n, workers int, f func(int) error) error {
	var wg sync.WaitGroup
	var failed atomic.Bool
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n && !failed.Load(); i += workers {
				if errs[w] = f(i); errs[w] != nil {
					failed.Store(true)
					return
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// logins has n visits made, and returns the server's processor time for each. Each account comes once before that.
func logins(ctx context.Context, s *server, n int, v visit) (time.Duration, error) {
	const workers = 4
	accounts := s.accounts[:len(s.accounts)/workers*workers]
	accounts = accounts[:min(len(accounts), 6*workers)]
	visit := func(i int) error { return v(ctx, s, accounts[i%len(accounts)]) }
	if err := each(len(accounts), workers, visit); err != nil {
		return 0, err
	}
	before, err1 := s.cpu()
	err := each(n, workers, visit)
	after, err2 := s.cpu()
	return (after - before) / time.Duration(n), errors.Join(err, err1, err2)
}
