// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// prosodyConfig is what a careful administrator would write: the modules of Debian's file that a client meets, the
// archive for everybody, generational garbage collection, no limits, and no other servers. {storage} is one of the two
// below.
const prosodyConfig = `
run_as_root = false
pidfile = "{dir}/prosody.pid"
data_path = "{dir}/data"
admin_socket = "{dir}/prosody.sock"
log = { info = "{dir}/prosody.log" }
interfaces = { "127.0.0.1" }
c2s_ports = { {starttls} }
c2s_direct_tls_ports = { {tls} }
http_interfaces = { "127.0.0.1" }
http_ports = { {web} }
https_ports = { }
modules_disabled = { "s2s" }
modules_enabled = {
	"disco"; "roster"; "saslauth"; "tls"; "blocklist"; "bookmarks"; "carbons"; "pep"; "private"; "smacks"; "vcard4";
	"vcard_legacy"; "csi_simple"; "ping"; "time"; "uptime"; "version"; "posix"; "mam"; "websocket"; "admin_socket";
}
network_backend = "epoll"
gc = { mode = "generational" }
c2s_require_encryption = true
consider_websocket_secure = true
trusted_proxies = { "127.0.0.1" }
authentication = "internal_hashed"
password_hash = "SHA-256"
default_archive_policy = true
archive_expires_after = "1w"
{storage}
ssl = { certificate = "{dir}/cert.pem"; key = "{dir}/key.pem" }

VirtualHost "{domain}"
	http_host = "{domain}"
`

const (
	// files is the store that Prosody comes with. It is the fastest, and does not wait for the disk.
	files = `default_storage = "internal"`
	// sqlite does wait for the disk, as ours does.
	sqlite = files + `
storage = { archive = "sql" }
sql = { driver = "SQLite3"; database = "prosody.sqlite" }
`
)

// newProsody returns Prosody with n accounts, or nil where it, or what the storage needs, is not installed.
func newProsody(t *testing.T, storage string, n int) *kind {
	t.Helper()
	binary, err := exec.LookPath("prosody")
	if err != nil || storage == sqlite && !hasSQLite() {
		return nil
	}
	// Not t.TempDir, which other users cannot look into: Prosody does not run as root.
	dir, err := os.MkdirTemp("", "load")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // at worst it stays
	k := &kind{name: "Prosody", dir: dir, accounts: newAccounts(n), address: freePorts(t), path: "/xmpp-websocket",
		database: filepath.Join(dir, "data", "prosody.sqlite"), table: table{
			"prosodyarchive", `"user" = $1`, `"key" NOT LIKE '%~%'`,
			map[string]string{"sort_id": "", "key": `"key" || '~' || $2`, "when": `"when" - $2 * 3600`},
		}}
	certificate(t, dir)
	port := func(w way) string { return k.address[w][strings.LastIndexByte(k.address[w], ':')+1:] }
	config := strings.NewReplacer("{dir}", dir, "{domain}", domain, "{storage}", storage, "{starttls}", port(startTLS),
		"{tls}", port(directTLS), "{web}", port(webSocket)).Replace(prosodyConfig)
	file := filepath.Join(dir, "prosody.cfg.lua")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	k.prosodyAccounts(t)
	credential := giveAway(t, dir)
	k.command = func(ctx context.Context, k *kind) *exec.Cmd {
		c := exec.CommandContext(ctx, binary, "--config", file, "-F")
		c.Dir = dir
		c.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
		return c
	}
	return k
}

// hasSQLite says whether Prosody's Lua finds a driver for SQLite.
func hasSQLite() bool {
	lua, err := exec.LookPath("lua5.4")
	return err == nil && exec.Command(lua, "-e", `assert(require "dbd.sqlite3")`).Run() == nil
}

// prosodyAccounts writes the files that "prosodyctl register" would write, which takes a tenth of a second for each.
func (k *kind) prosodyAccounts(t *testing.T) {
	t.Helper()
	dir := filepath.Join(k.dir, "data", strings.ReplaceAll(domain, ".", "%2e"), "accounts")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, a := range k.accounts {
		salt := rand.Text()
		c, err := sasl.Derive(sasl.SHA256, password, []byte(salt), iterations)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("return {\n\t[\"iteration_count\"] = %d;\n\t[\"salt\"] = %q;\n\t[\"stored_key\"] = %q;\n\t[\"server_key\"] = %q;\n};\n",
			iterations, salt, hex.EncodeToString(c.StoredKey), hex.EncodeToString(c.ServerKey))
		if err := os.WriteFile(filepath.Join(dir, a.name+".dat"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// giveAway makes everything in dir belong to the user prosody, and returns how to be that user; nil where we are not
// root, and Prosody runs as we do.
func giveAway(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	who, err := user.Lookup("prosody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.ParseUint(who.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(who.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	err = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(uid), int(gid))
	})
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
