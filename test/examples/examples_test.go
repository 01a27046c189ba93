// SPDX-License-Identifier: Apache-2.0

package examples

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/kith-im/kith/test/kith"
)

// The password of the one account that the examples are played with.
const password = "a pencil and a rubber"

// server is what play.mjs is told of the server.
type server struct {
	Host        string `json:"host"`
	Port        int    `json:"port"`
	Domain      string `json:"domain"`
	Certificate string `json:"certificate"`
	User        string `json:"user"`
	Password    string `json:"password"`
	Token       string `json:"token,omitempty"` // by which a client can log in that does not know the password
}

// TestExamples plays each specification against a server for the domain that its examples have, with an account of theirs.
func TestExamples(t *testing.T) {
	t.Parallel()
	node := kith.Need(t, "node")
	binary := kith.Build(t)
	for file, account := range map[string]string{
		"xep-0386.txt": "user@example.com",
		"xep-0388.txt": "user@example.org",
		"xep-0480.txt": "user@example.org",
		"xep-0484.txt": "user@example.com",
		"xep-0490.txt": "juliet@capulet.lit",
		"xep-0494.txt": "user@example.com",
	} {
		user, domain, _ := strings.Cut(account, "@")
		t.Run(strings.TrimSuffix(file, ".txt"), func(t *testing.T) {
			t.Parallel()
			env := []string{"KITH_DOMAIN=" + domain, "KITH_DATA=" + t.TempDir()}
			t.Run("prepare", func(t *testing.T) { // a server of its own, gone when the other starts
				s := binary.Start(t, env...)
				switch file {
				case "xep-0490.txt":
					s.AddUser(t, "romeo", password)
				case "xep-0494.txt":
					return // see signUp
				}
				s.AddUser(t, user, password)
			})
			data := strings.TrimPrefix(env[1], "KITH_DATA=")
			if file == "xep-0480.txt" {
				keepOldest(t, data)
			}
			s, token := binary.Start(t, env...), ""
			if file == "xep-0494.txt" {
				token = signUp(t, s, user)
			}
			c := exec.CommandContext(t.Context(), node, "play.mjs", file)
			c.Env = append(os.Environ(), "KITH_SERVER="+about(t, s, domain, user, token, data))
			out, err := c.Output()
			if err != nil {
				problem := ""
				if e, ok := errors.AsType[*exec.ExitError](err); ok {
					problem = string(e.Stderr)
				}
				t.Fatalf("play %s: %v\n%s", file, err, problem)
			}
			report(t, string(out))
		})
	}
}

// about tells the player where the server is.
func about(t *testing.T, s *kith.Server, domain, user, token, data string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(s.ClientsTLS)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(server{host, n, domain, filepath.Join(data, "self-signed.crt"), user, password, token})
	if err != nil {
		t.Fatal(err)
	}
	return string(told)
}

// signUp makes the account by an invitation, as people do, and returns the code by which an app gets in from there
// that is never told the password: what there is of access that can be taken away.
func signUp(t *testing.T, s *kith.Server, user string) string {
	t.Helper()
	form := url.Values{"name": {user}, "password": {password}}
	at := strings.TrimSpace(s.Command(t, "", "invite", "create")) + "/register"
	r, err := http.NewRequestWithContext(t.Context(), "POST", at, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	answer, err := http.DefaultTransport.RoundTrip(r) // which does not follow to the app
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	_, fragment, _ := strings.Cut(answer.Header.Get("Location"), "#")
	told, err := url.ParseQuery(fragment)
	if err != nil || told.Get("code") == "" {
		t.Fatalf("sign up at %s: %s, %v", at, answer.Status, err)
	}
	return told.Get("code")
}

// keepOldest leaves the account with keys for SCRAM-SHA-1 only, as one that came from an older server: what there is to
// upgrade in the examples.
func keepOldest(t *testing.T, data string) {
	t.Helper()
	d, err := sql.Open("sqlite", filepath.Join(data, "kith.db"))
	if err == nil {
		_, err = d.ExecContext(t.Context(), "DELETE FROM account_credential WHERE hash <> 'SHA-1'")
		err = errors.Join(err, d.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// report makes a test of each line of the player's.
func report(t *testing.T, out string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) < 2 {
		t.Fatalf("nothing was played: %q", out)
	}
	for _, line := range lines {
		f := strings.SplitN(line, "\t", 3)
		if len(f) < 2 {
			t.Errorf("what does that mean: %q", line)
			continue
		}
		t.Run(f[1], func(t *testing.T) {
			switch f[0] {
			case "ok":
			case "none":
				t.Logf("not played: %s", f[2])
			default:
				t.Error(f[len(f)-1])
			}
		})
	}
}

// TestFiles holds that no file is forgotten.
func TestFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("xep-*.txt")
	if err != nil || len(files) != 6 {
		t.Errorf("there are %q, and TestExamples plays six (%v)", files, err)
	}
}
