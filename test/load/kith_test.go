// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/app"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/control"
)

// build makes the binary as it is released, but for the symbols, which a profiler wants.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kith")
	c := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-tags", "tlsdrop", "-o", path, "github.com/kith-im/kith/cmd/kith")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// newKith returns our server with n accounts, in its default configuration but for where it listens.
func newKith(t *testing.T, binary string, n int) *kind {
	t.Helper()
	dir := t.TempDir()
	k := &kind{name: "Kith", dir: dir, accounts: newAccounts(n), address: freePorts(t), path: "/xmpp-websocket", fast: true,
		database: filepath.Join(dir, "data", "kith.db"), table: table{
			"archive", "owner = (SELECT id FROM account WHERE name = $1)", "id > (CAST(strftime('%s') AS INTEGER) - 1800) * 1000000",
			map[string]string{"seq": "", "id": "id - $2 * 3600000000", "n": "n - $2 * {have}", "waiting": "FALSE"},
		}}
	cert, key := certificate(t, dir)
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "KITH_") {
			env = append(env, v)
		}
	}
	env = append(env, "KITH_DOMAIN="+domain, "KITH_DATA="+filepath.Join(dir, "data"),
		"KITH_LISTEN_CLIENTS="+k.address[startTLS], "KITH_LISTEN_CLIENTS_TLS="+k.address[directTLS],
		"KITH_LISTEN_WEB="+k.address[webSocket], "KITH_WEB_URL=https://"+domain, "KITH_WEB_TRUSTED_PROXIES=127.0.0.1",
		"KITH_TLS_CERTIFICATE="+cert, "KITH_TLS_KEY="+key, "KITH_ACCOUNTS_ITERATIONS=4096")
	c, err := config.Load("", env)
	if err != nil {
		t.Fatal(err)
	}
	k.command = func(ctx context.Context, k *kind) *exec.Cmd {
		c := exec.CommandContext(ctx, binary, "serve")
		c.Env = env
		if *profile != "" {
			if c, err = own(ctx, env); err != nil {
				t.Fatal(err)
			}
		}
		c.Dir = dir
		return c
	}
	admin, err := app.OpenAdmin(t.Context(), c) // as "kith user add" while no server runs
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range k.accounts {
		if err := admin.AddUser(t.Context(), control.NewUser{Name: a.name, Password: password, Role: "user"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := admin.Close(); err != nil {
		t.Fatal(err)
	}
	return k
}
