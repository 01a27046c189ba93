// SPDX-License-Identifier: Apache-2.0

//go:build faults

package db

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// FaultPoints returns the names of the places at which KITH_FAULT can kill.
func FaultPoints() []string {
	return []string{beforeSavepoint, afterAct, beforeCommit, afterCommit, betweenAnswers, afterAnswers, checkpointing}
}

// faults kills the process at the place that KITH_FAULT names, as "place:N", when it is passed for the Nth time.
type faults struct {
	point string
	left  *atomic.Int64
}

func newFaults() faults {
	point, n, ok := strings.Cut(os.Getenv("KITH_FAULT"), ":")
	if !ok {
		return faults{}
	}
	at, err := strconv.ParseInt(n, 10, 64)
	if err != nil || at < 1 {
		panic("db: KITH_FAULT is not a place and a number from 1 on: " + os.Getenv("KITH_FAULT"))
	}
	f := faults{point: point, left: new(atomic.Int64)}
	f.left.Store(at)
	return f
}

func (f faults) pass(point string) {
	if f.point != point || f.left.Add(-1) != 0 {
		return
	}
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // nothing of us runs on
}
