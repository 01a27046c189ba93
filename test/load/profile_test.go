// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"syscall"
	"testing"

	"github.com/kith-im/kith/internal/app"
	"github.com/kith-im/kith/internal/config"
)

// With -profile, the server that is measured is this test program itself, which does the same as "kith serve" and
// writes profiles into the folder: of the processor for the life of each process, and of the heap when asked to.
var profile = flag.String("profile", "", "folder for profiles of the server; slows it down a little")

// profiled names the folder to a process that is to be the server.
const profiled = "LOAD_PROFILE"

func TestMain(m *testing.M) {
	dir := os.Getenv(profiled)
	if dir == "" {
		os.Exit(m.Run())
	}
	if err := serve(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// own starts this program as the server.
func own(ctx context.Context, env []string) (*exec.Cmd, error) {
	dir, err := filepath.Abs(*profile)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, self)
	c.Env = append(env, profiled+"="+dir)
	return c, os.MkdirAll(dir, 0o700)
}

// serve is the server, until it is told to stop.
func serve(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c, err := config.Load("", os.Environ())
	if err != nil {
		return err
	}
	create := func(what string) (*os.File, error) {
		return os.Create(filepath.Join(dir, fmt.Sprintf("%s-%d.pprof", what, os.Getpid())))
	}
	cpu, err := create("cpu")
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	var heaps sync.WaitGroup
	heaps.Go(func() { // ends with asked
		for range asked {
			debug.FreeOSMemory() // what is alive now; and memory that is looked at next is without garbage
			f, err := create("heap")
			if err == nil {
				err = errors.Join(pprof.WriteHeapProfile(f), f.Close())
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	})
	err = app.Run(ctx, c, app.Options{Log: slog.New(c.Log.Handler(os.Stderr)), Version: "profiled", Out: io.Discard})
	signal.Stop(asked)
	close(asked)
	heaps.Wait()
	pprof.StopCPUProfile()
	return errors.Join(err, cpu.Close())
}

// profileHeap has the server write a profile of its heap.
func (s *server) profileHeap() {
	if *profile != "" && s.fast { // ours
		_ = s.cmd.Process.Signal(syscall.SIGUSR1) // it is there: it was just measured
	}
}
