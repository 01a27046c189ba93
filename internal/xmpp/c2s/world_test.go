// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/feature/csi"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const (
	domain   = routertest.Domain
	password = "correct horse battery" // of all accounts in a routertest.World
	laptop   = "d4565fa7-4d72-4749-b3d3-740edbf87770"
	nsError  = "urn:ietf:params:xml:ns:xmpp-streams"
)

// A world is a server for clients, on a router with accounts, and connections in memory. It runs in a bubble: what
// takes a minute takes no time.
type world struct {
	*routertest.World
	t      *testing.T
	server *Server
	signup *fakeSignup
	plain  *listener
	direct *listener
	stop   func() // what a stop of the program does to the server
	close  func() // and to the rest

	path        string
	certificate tls.Certificate
}

// perform runs f in a world.
func perform(t *testing.T, f func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	dir, err := os.MkdirTemp("/dev/shm", "kith-test-") // a new database syncs often
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := dir + "/kith.db"
	certificate := selfSigned(t)
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, path: path, certificate: certificate}
		w.open()
		w.Account("juliet")
		w.Account("romeo")
		t.Cleanup(func() { w.close() })
		f(t, w)
	})
}

// open starts the world, as the program does.
func (w *world) open() {
	w.World, w.plain, w.direct = routertest.Open(w.t, w.path, 1), newListener(), newListener()
	w.signup = &fakeSignup{w: w}
	w.server = New(Options{
		Domain: jid.MustParse(domain), DB: w.DB, Router: w.Routers[0], Accounts: w.Accounts, Sleepers: w.Sleepers,
		Log:       slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		TLS:       &tls.Config{Certificates: []tls.Certificate{w.certificate}},
		Registrar: w.signup, MayRegister: func(netip.Addr) bool { return !w.signup.tooFast },
		Weigh: csi.Weigh,
	})
	if err := w.server.Restore(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	server := w.server
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, l := range []*listener{w.plain, w.direct} {
		direct := l == w.direct
		wg.Go(func() {
			if err := server.Serve(ctx, l, direct); err != nil {
				w.t.Errorf("serve: %v", err)
			}
		})
	}
	w.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := server.Shutdown(context.Background()); err != nil {
			w.t.Errorf("shutdown: %v", err)
		}
	})
	w.close = func() {
		w.stop()
		w.Close()
	}
}

// restart stops the world, with its sessions written down, and starts it after some time.
func (w *world) restart(pause time.Duration) {
	w.t.Helper()
	w.stop()
	if err := w.Routers[0].Idle(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	if err := w.server.WriteDown(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.Close()
	time.Sleep(pause)
	w.open()
}

// selfSigned is a certificate that proves nothing.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: domain}, DNSNames: []string{domain}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// A listener accepts connections in memory.
type listener struct {
	conns chan net.Conn
	done  chan struct{}
	close func()
}

func newListener() *listener {
	l := &listener{conns: make(chan net.Conn), done: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.done) })
	return l
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.close()
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// dial returns the client's end of a new connection.
func (l *listener) dial() net.Conn {
	a, b := xmpptest.Pipe(0)
	l.conns <- a
	return b
}

var trusting = &tls.Config{ServerName: domain, InsecureSkipVerify: true}

// client returns one that has opened its stream over TLS.
func (w *world) client() *xmpptest.Client { return w.clientFrom("") }

// clientFrom is client for one that says who it is in the stream header.
func (w *world) clientFrom(from string) *xmpptest.Client {
	w.t.Helper()
	c, err := xmpptest.New(w.t.Context(), w.direct.dial(), xmpptest.Options{Domain: domain, From: from, TLS: trusting, Direct: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Cut)
	return c
}

// login returns a client with a bound resource.
func (w *world) login(name, resource string) *xmpptest.Client {
	w.t.Helper()
	c := w.client()
	if err := c.Login(w.t.Context(), name, password, resource, sasl.SCRAMSHA256); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// login2 logs in with SASL2.
func (w *world) login2(r xmpptest.SASL2) (*xmpptest.Client, xmpptest.Welcome) {
	w.t.Helper()
	c := w.client()
	welcome, err := c.LoginSASL2(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return c, welcome
}

// change runs f as one act.
func (w *world) change(f func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.DB.Write(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

// disable keeps an account out.
func (w *world) disable(name string) {
	w.t.Helper()
	id := w.Account(name)
	w.change(func(tx *db.Tx) error { return w.Accounts.SetDisabled(tx, id, true) })
}

// ends requires that the server ends c's stream with the condition.
func (w *world) ends(c *xmpptest.Client, condition string) {
	w.t.Helper()
	c.MustExpect(w.t, `<stream:error><`+condition+` xmlns="`+nsError+`"/></stream:error>`)
	w.over(c)
}

// over requires that the server ends c's stream.
func (w *world) over(c *xmpptest.Client) {
	w.t.Helper()
	if err := c.ExpectEnd(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

// header begins a stream as it should be begun.
const header = `<?xml version='1.0'?><stream:stream to='kith.example' version='1.0' xmlns='jabber:client' ` +
	`xmlns:stream='http://etherx.jabber.org/streams'>`

// say writes bytes to a connection, and returns all that the server says until it closes it.
func say(t *testing.T, c net.Conn, text string) string {
	t.Helper()
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("the server does not close the connection: %v; it said %s", err, all)
	}
	return string(all)
}

// saysError reports whether the server's answer is a header, perhaps with features, an error and the end.
func saysError(answer, condition string) bool {
	return strings.HasPrefix(answer, "<?xml version=") && strings.Contains(answer, "<stream:stream ") &&
		strings.Contains(answer, `<stream:error><`+condition+` xmlns="`+nsError+`"/>`) &&
		strings.HasSuffix(answer, "</stream:error></stream:stream>")
}
