// SPDX-License-Identifier: Apache-2.0

package db

import (
	"errors"
	"slices"
	"sync"
	"testing"
)

// A tally is an Ending that writes how many acts have told it of themselves.
type tally struct {
	n     int
	fail  error
	after *[]int
}

func (e *tally) End(tx *Tx) error {
	n := e.n
	if err := insert(1000 + n)(tx); err != nil {
		return err
	}
	tx.After(func() { *e.after = append(*e.after, n) })
	return e.fail
}

// What acts leave to the end of their transaction is done once for all of them, and only with those that succeeded.
func TestEnding(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	var after []int
	odd := errors.New("odd")
	tell := func(key string, fail, err error) func(*Tx) error {
		return func(tx *Tx) error {
			tx.AtEnd(key, func() Ending { return &tally{fail: fail, after: &after} }, func(e Ending) { e.(*tally).n++ })
			return err
		}
	}
	batch := func(acts ...func(*Tx) error) {
		release := hold(d) // so that they make one batch
		var wg sync.WaitGroup
		for _, f := range acts {
			wg.Add(1)
			d.Submit(f, func(error) { wg.Done() })
		}
		release()
		wg.Wait()
	}
	batch(tell("a", nil, nil), tell("a", nil, odd), tell("b", odd, nil), tell("a", nil, nil))
	batch(tell("a", nil, odd))
	batch(tell("a", nil, nil)) // nothing is left of the one before
	if len(after) != 2 || after[0] != 2 || after[1] != 1 {
		t.Errorf("endings: got %v, want [2 1]", after)
	}
	if got := ids(t, d); !slices.Equal(got, []int{1001, 1002}) {
		t.Errorf("written: got %v, want [1001 1002]", got)
	}
}
