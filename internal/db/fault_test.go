// SPDX-License-Identifier: Apache-2.0

//go:build faults

package db

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// writeUntilKilled is the other process: it writes pairs of notes, some acts alone and some together, and prints the
// number of each act that was acknowledged.
func writeUntilKilled(path string) error {
	tune := defaults
	tune.checkpoint = 4
	d, err := open(context.Background(), Options{Path: path}, tune)
	if err != nil {
		return err
	}
	if err := d.Migrate(context.Background(), noteSchema); err != nil {
		return err
	}
	pair := func(id int) func(*Tx) error {
		return func(tx *Tx) error { return errors.Join(insert(2*id)(tx), insert(2*id+1)(tx)) }
	}
	id := 0
	for range 40 {
		answers := make(chan error, 5)
		release := hold(d)
		for range 5 {
			n := id
			id++
			d.Submit(pair(n), func(err error) {
				if err == nil {
					fmt.Println(n) // a system call: it is out before the next fault point
				}
				answers <- err
			})
		}
		release()
		for range 5 {
			if err := <-answers; err != nil {
				return err
			}
		}
		n := id
		id++
		if err := d.Write(context.Background(), pair(n)); err != nil {
			return err
		}
		fmt.Println(n)
	}
	return d.Close()
}

func TestMain(m *testing.M) {
	if path := os.Getenv("KITH_TEST_WRITE"); path != "" {
		if err := writeUntilKilled(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Whenever the process is killed, what was acknowledged is there, and no act is there by half.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, point := range FaultPoints() {
		for _, n := range []int{1, 2, 7, 30} {
			t.Run(fmt.Sprintf("%s:%d", point, n), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "kith.db")
				c := exec.CommandContext(t.Context(), os.Args[0])
				c.Env = append(os.Environ(), "KITH_TEST_WRITE="+path, fmt.Sprintf("KITH_FAULT=%s:%d", point, n))
				var problems strings.Builder
				c.Stderr = &problems
				out, err := c.Output()
				e, _ := errors.AsType[*exec.ExitError](err)
				if e == nil || e.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Fatalf("it was not killed: %v\n%s", err, problems.String())
				}
				d := openTest(t, path, defaults, noteSchema)
				there := map[int]int{} // notes by act
				for _, id := range ids(t, d) {
					there[id/2]++
				}
				for act, notes := range there {
					if notes != 2 {
						t.Errorf("act %d is there by half", act)
					}
				}
				lines := bufio.NewScanner(strings.NewReader(string(out)))
				acknowledged := 0
				for lines.Scan() {
					act, err := strconv.Atoi(lines.Text())
					if err != nil {
						t.Fatal(err)
					}
					if acknowledged++; there[act] != 2 {
						t.Errorf("act %d was acknowledged and is lost", act)
					}
				}
				if point == betweenAnswers && acknowledged == len(there) {
					t.Error("killed between two answers, but all were given")
				}
			})
		}
	}
}
