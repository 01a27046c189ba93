// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// ejabberdConfig is what a careful administrator would write: the modules of Debian's file that a client meets, the
// archive for everybody, no limits, no other servers. Everything is kept in Mnesia, which ejabberd comes with; it does
// not wait for the disk.
const ejabberdConfig = `
loglevel: info
hosts: ["{domain}"]
certfiles: ["{dir}/both.pem"]
sql_type: sqlite
sql_database: "{dir}/ejabberd.sqlite"
auth_method: internal
auth_password_format: scram
auth_scram_hash: sha256
disable_sasl_mechanisms: ["digest-md5", "X-OAUTH2"]
s2s_access: none
acme: {auto: false}
access_rules:
  local: {allow: all}
  c2s: {allow: all}
listen:
  - {port: {starttls}, ip: "127.0.0.1", module: ejabberd_c2s, starttls_required: true, max_stanza_size: 262144, access: c2s, backlog: 100}
  - {port: {tls}, ip: "127.0.0.1", module: ejabberd_c2s, tls: true, max_stanza_size: 262144, access: c2s, backlog: 100}
  - {port: {web}, ip: "127.0.0.1", module: ejabberd_http, request_handlers: {/xmpp-websocket: ejabberd_http_ws}, backlog: 100}
modules:
  mod_blocking: {}
  mod_caps: {}
  mod_carboncopy: {}
  mod_client_state: {}
  mod_disco: {}
  mod_last: {}
  mod_mam: {default: always{archive}}
  mod_offline: {access_max_user_messages: none}
  mod_ping: {}
  mod_privacy: {}
  mod_private: {}
  mod_pubsub: {plugins: [flat, pep], access_createnode: none}
  mod_roster: {versioning: true}
  mod_stream_mgmt: {resend_on_timeout: if_offline, max_ack_queue: infinity}
  mod_time: {}
  mod_vcard: {search: false}
  mod_version: {}
`

// ejabberdLibs is where Debian puts ejabberd and what it needs.
const ejabberdLibs = "/usr/lib/x86_64-linux-gnu"

// newEjabberd returns ejabberd with n accounts, or nil where it is not installed; with sqlite its archive is kept by
// SQLite, and waits for the disk.
func newEjabberd(t *testing.T, sqlite bool, n int) *kind {
	t.Helper()
	if list, _ := filepath.Glob(ejabberdLibs + "/ejabberd-*"); len(list) == 0 { // the pattern is good
		return nil
	}
	erl, err := exec.LookPath("erl")
	if err != nil {
		return nil
	}
	archive := ""
	if sqlite {
		if list, _ := filepath.Glob("/usr/lib/erlang/lib/p1_sqlite3-*"); len(list) == 0 { // the same
			return nil
		}
		archive = ", db_type: sql"
	}
	dir := t.TempDir()
	k := &kind{name: "ejabberd", dir: dir, accounts: newAccounts(n), address: freePorts(t), path: "/xmpp-websocket",
		database: filepath.Join(dir, "ejabberd.sqlite"), table: table{
			"archive", "username = $1", "timestamp > (CAST(strftime('%s') AS INTEGER) - 1800) * 1000000",
			map[string]string{"id": "", "timestamp": "timestamp - $2 * 3600000000"},
		}}
	both := ""
	cert, key := certificate(t, dir)
	for _, name := range []string{cert, key} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		both += string(b)
	}
	port := func(w way) string { return k.address[w][strings.LastIndexByte(k.address[w], ':')+1:] }
	config := strings.NewReplacer("{archive}", archive, "{dir}", dir, "{domain}", domain, "{starttls}", port(startTLS), "{tls}", port(directTLS),
		"{web}", port(webSocket)).Replace(ejabberdConfig)
	for name, text := range map[string]string{"both.pem": both, "ejabberd.yml": config, "accounts": k.ejabberdAccounts(t)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Not ejabberdctl, which starts other processes and wants a name in a network of nodes. Without +sbwt, threads that have
	// nothing to do go round in circles for a while, which would count.
	k.command = func(ctx context.Context, _ *kind) *exec.Cmd {
		c := exec.CommandContext(ctx, erl, "-noinput", "+K", "true", "+P", "250000", "+sbwt", "none", "+sbwtdcpu", "none",
			"+sbwtdio", "none", "-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(dir, "spool")), "-s", "ejabberd")
		c.Dir = dir
		c.Env = append(os.Environ(), "HOME="+dir, "ERL_LIBS="+ejabberdLibs, "ERL_CRASH_DUMP_BYTES=0",
			"EJABBERD_CONFIG_PATH="+filepath.Join(dir, "ejabberd.yml"), "EJABBERD_LOG_PATH="+filepath.Join(dir, "ejabberd.log"))
		return c
	}
	c := k.command(t.Context(), k)
	c.Args = append(c.Args, "-eval", `{ok, L} = file:consult("accounts"), [ok = mnesia:dirty_write(A) || A <- L], mnesia:sync_log(), init:stop().`)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("accounts of ejabberd: %v\n%s", err, out)
	}
	return k
}

// ejabberdAccounts is the accounts as ejabberd keeps them, to be read as terms of Erlang.
func (k *kind) ejabberdAccounts(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, a := range k.accounts {
		salt := []byte(rand.Text())
		c, err := sasl.Derive(sasl.SHA256, password, salt, iterations)
		if err != nil {
			t.Fatal(err)
		}
		in := base64.StdEncoding.EncodeToString
		fmt.Fprintf(&b, "{passwd, {<<%q>>, <<%q>>}, {scram, <<%q>>, <<%q>>, <<%q>>, sha256, %d}}.\n", a.name, domain,
			in(c.StoredKey), in(c.ServerKey), in(salt), iterations)
	}
	return b.String()
}
