// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/httpd"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const (
	domain   = "kith.example"
	origin   = "http://" + domain
	password = "a rose by any other name"
)

// A testServer is a whole server in this process, on a folder of its own and ports of the loopback.
type testServer struct {
	*server
	t      testing.TB
	config config.Config
	over   string // the transport of clients that ask for none; "" is direct TLS
	stop   func() // stops it and waits; a second call does nothing

	mu    sync.Mutex
	known map[string]bool // accounts that Connect made
}

// start runs a server until the test ends. change may change its configuration.
func start(t testing.TB, change ...func(*config.Config)) *testServer {
	t.Helper()
	c := config.Defaults(domain)
	c.Data = prepared(t)
	c.Web.URL = origin
	c.Listen = config.Listen{Web: "127.0.0.1:0", Clients: "127.0.0.1:0", ClientsTLS: "127.0.0.1:0"}
	c.Accounts.Iterations = 4096 // as few as there may be: tests log in often
	for _, f := range change {
		f(&c)
	}
	return startOn(t, c)
}

// startOn is start for a folder that is there.
func startOn(t testing.TB, c config.Config) *testServer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	srv, err := prepare(ctx, c, testOptions(t))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with stop
		defer close(done)
		if err := srv.run(ctx); err != nil {
			t.Errorf("the server ended with: %v", err)
		}
		if err := srv.close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	}()
	s := &testServer{server: srv, t: t, config: c, known: map[string]bool{}}
	s.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(s.stop)
	return s
}

// testOptions let the server say to the test's log what is worth a warning, and fail the test on what is worth more.
func testOptions(t testing.TB) Options {
	h := &strictLog{Handler: slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}), t: t}
	return Options{Log: slog.New(h), Out: io.Discard, Version: "1.2.3"}
}

// A strictLog fails the test when the server logs an error: nothing in these tests is one.
type strictLog struct {
	slog.Handler
	t testing.TB
}

func (l *strictLog) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		l.t.Errorf("the server logged an error: %s", r.Message)
	}
	return l.Handler.Handle(ctx, r)
}

func (l *strictLog) WithAttrs(a []slog.Attr) slog.Handler {
	return &strictLog{l.Handler.WithAttrs(a), l.t}
}

func (l *strictLog) WithGroup(name string) slog.Handler {
	return &strictLog{l.Handler.WithGroup(name), l.t}
}

// folder is an empty one, in memory where that can be: a database that is new syncs often.
func folder(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "kith-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) // after the server is gone
	return filepath.Join(dir, "data")
}

// fresh is what a data folder has when its tables were made: file by file, by name. To make them takes longer than most
// tests.
var fresh = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "kith-fresh-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := config.Defaults(domain)
	c.Data = filepath.Join(dir, "data")
	s, err := openServices(context.Background(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	if err := s.close(); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, name := range []string{"kith.db", "secret.key"} {
		if files[name], err = os.ReadFile(filepath.Join(c.Data, name)); err != nil {
			return nil, err
		}
	}
	return files, nil
})

// prepared is a folder with tables that are empty.
func prepared(t testing.TB) string {
	t.Helper()
	files, err := fresh()
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// trusting is the TLS of a client that asks for no authority: the server's certificate is its own.
func trusting() *tls.Config { return &tls.Config{ServerName: domain, InsecureSkipVerify: true} }

// dial connects a client over direct TLS that has not logged in.
func (s *testServer) dial(t testing.TB) *xmpptest.Client {
	t.Helper()
	return s.reach(t, s.direct.Addr().String(), xmpptest.Options{Domain: domain, TLS: trusting(), Direct: true})
}

// reach connects a client in the way that o says.
func (s *testServer) reach(t testing.TB, addr string, o xmpptest.Options) *xmpptest.Client {
	t.Helper()
	c, err := xmpptest.Dial(t.Context(), addr, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Cut)
	return c
}

// user makes an account with the password of all.
func (s *testServer) user(t testing.TB, name string, role account.Role) account.Account {
	t.Helper()
	res, err := s.signup.Do(t.Context(), signup.Request{Name: name, Password: password, Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return res.Account
}

// Connect implements xmpptest.Server.
func (s *testServer) Connect(t testing.TB, name, resource string) *xmpptest.Client {
	t.Helper()
	password := s.Password(t, name)
	if s.over == "" {
		return s.login(t, name, password, resource)
	}
	c := s.Dial(t, s.over)
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context(), name, password, resource, sasl.SCRAMSHA256); err != nil {
		t.Fatal(err)
	}
	return c
}

// Password implements xmpptest.Stage.
func (s *testServer) Password(t testing.TB, name string) string {
	t.Helper()
	s.mu.Lock()
	isNew := !s.known[name]
	s.known[name] = true
	s.mu.Unlock()
	if isNew {
		s.user(t, name, account.User)
	}
	return password
}

// transports are those that are alike in all that plays can show. TCP, without TLS, is another one.
var transports = []string{"TLS", "WebSocket", "BOSH"}

// Dial implements xmpptest.Stage.
func (s *testServer) Dial(t testing.TB, transport string) *xmpptest.Client {
	t.Helper()
	if transport == "" {
		transport = s.over
	}
	var nc net.Conn
	var err error
	o := xmpptest.Options{Domain: domain}
	switch transport {
	case "", "TLS":
		o.TLS, o.Direct = trusting(), true
		nc, err = net.Dial("tcp", s.direct.Addr().String())
	case "TCP":
		o.TLS = trusting()
		nc, err = net.Dial("tcp", s.plain.Addr().String())
	case "WebSocket":
		o.WebSocket, o.Origin = httpd.WebSocketPath, origin
		nc, err = net.Dial("tcp", s.web.Addr().String())
	case "BOSH":
		nc = xmpptest.DialBOSH("http://"+s.web.Addr().String()+httpd.BOSHPath, domain)
	default:
		t.Fatalf("there is no transport %q", transport)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := xmpptest.Reach(t.Context(), nc, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Cut)
	return c
}

// login connects a client and binds a resource.
func (s *testServer) login(t testing.TB, name, password, resource string) *xmpptest.Client {
	t.Helper()
	c := s.dial(t)
	if err := c.Login(t.Context(), name, password, resource, sasl.SCRAMSHA256); err != nil {
		t.Fatal(err)
	}
	return c
}

// befriend makes two accounts see each other.
func (s *testServer) befriend(t testing.TB, a, b account.Account) {
	t.Helper()
	owner := func(a account.Account) contact.Owner {
		return contact.Owner{ID: a.ID, JID: jid.MustParse(a.Name + "@" + domain)}
	}
	err := s.db.Write(t.Context(), func(tx *db.Tx) error { return s.contacts.MakeMutual(tx, owner(a), owner(b)) })
	if err != nil {
		t.Fatal(err)
	}
}

// available logs in and sends presence; others are the devices that it hears of.
func (s *testServer) available(t testing.TB, name, password, resource string, others ...string) *xmpptest.Client {
	t.Helper()
	c := s.login(t, name, password, resource)
	c.MustSend(t, `<presence/>`)
	patterns := []string{`<presence from="` + c.JID.String() + `"/>`}
	for _, o := range others {
		patterns = append(patterns, `<presence from="`+o+`"/>`)
	}
	if err := c.ExpectAll(t.Context(), patterns...); err != nil {
		t.Fatal(err)
	}
	return c
}

// admin is what the commands of the program talk to.
func (s *testServer) admin() control.Admin { return control.Client(s.config.Socket()) }
