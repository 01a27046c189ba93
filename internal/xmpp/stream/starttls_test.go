// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const (
	startTLS = `<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>`
	proceed  = `<proceed xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>`
)

// configs returns the TLS configurations of a server and of a client that trusts it.
func configs(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	s := httptest.NewTLSServer(nil) // it comes with a certificate for example.com
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

// The whole of STARTTLS between two streams of ours, and the end under TLS.
func TestStartTLS(t *testing.T) {
	t.Parallel()
	serverTLS, clientTLS := configs(t)
	a, b := xmpptest.Pipe(0)
	s := stream.NewTCP(a, stream.Options{From: "kith.example"})
	c := stream.NewTCP(b, stream.Options{Client: true})
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			if err := c.Send(stream.Header{To: "kith.example"}); err != nil {
				return err
			}
			if _, err := c.Open(); err != nil {
				return err
			}
			if err := c.Write(startTLS + "\n"); err != nil { // as some do, though they must not (RFC 6120 §5.3.3)
				return err
			}
			if _, err := c.Read(); err != nil {
				return err
			}
			if err := c.StartTLS(clientTLS); err != nil {
				return err
			}
			if err := c.Send(stream.Header{To: "kith.example"}); err != nil {
				return err
			}
			if err := c.Write(`<presence xmlns="jabber:client"/>`); err != nil {
				return err
			}
			return c.Close(nil)
		}()
	}()

	first, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reply(stream.Header{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(); err != nil {
		t.Fatal(err)
	}
	if s.Secure() {
		t.Error("secure before TLS")
	}
	if err := s.Write(proceed); err != nil {
		t.Fatal(err)
	}
	if err := s.StartTLS(serverTLS); err != nil {
		t.Fatal(err)
	}
	if !s.Secure() || s.TLS() == nil || s.TLS().Version != tls.VersionTLS13 {
		t.Error("not secure after TLS")
	}
	if h, err := s.Open(); err != nil || h != first {
		t.Fatal(h, err)
	}
	if err := s.Reply(stream.Header{}); err != nil {
		t.Fatal(err)
	}
	if el, err := s.Read(); err != nil || !el.Root().Is(xmlstream.NSClient, "presence") {
		t.Fatal(err)
	}
	if err := s.Close(nil); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := s.StartTLS(serverTLS); err == nil {
		t.Error("TLS inside TLS")
	}
}

// What comes unprotected behind <starttls/> would be taken for protected: the connection ends, without a word more than
// was said before, gathered or not.
func TestStartTLSInjection(t *testing.T) {
	t.Parallel()
	serverTLS, _ := configs(t)
	for i, injected := range []string{"<auth/>", "<", " <"} {
		s, p := opened(t, 0)
		s.Gather(i > 0)
		p.send(startTLS + injected)
		if _, err := s.Read(); err != nil {
			t.Fatal(err)
		}
		if err := s.Write(proceed); err != nil {
			t.Fatal(err)
		}
		err := s.StartTLS(serverTLS)
		if e, ok := errors.AsType[*stream.Error](err); !ok || e.Condition != "policy-violation" {
			t.Errorf("%q: got %v", injected, err)
		}
		_ = s.Close(stream.ErrorFor(err))
		if got := p.rest(); got != proceed {
			t.Errorf("%q: got %s", injected, got)
		}
	}
}

// A handshake that fails ends the connection without </stream:stream> (RFC 6120 §5.4.3.2).
func TestStartTLSFails(t *testing.T) {
	t.Parallel()
	serverTLS, _ := configs(t)
	s, p := opened(t, 0)
	p.send("this is not TLS")
	err := s.StartTLS(serverTLS)
	if err == nil {
		t.Fatal("no error")
	}
	_ = s.Close(stream.ErrorFor(err))
	if got := p.rest(); len(got) > 7 { // an alert
		t.Errorf("got %q", got)
	}
}

// A handshake has 30 seconds, and a Close from elsewhere ends it sooner without writing into it.
func TestStartTLSPatience(t *testing.T) {
	t.Parallel()
	serverTLS, _ := configs(t)
	for _, closed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, p := opened(t, 0)
			_ = p.SetDeadline(time.Time{})
			start, want := time.Now(), 30*time.Second
			done := make(chan error, 1)
			go func() { done <- s.StartTLS(serverTLS) }()
			synctest.Wait()
			if closed {
				want = 5 * time.Second
				_ = s.Close(&stream.Error{Condition: "system-shutdown"})
			}
			if err := <-done; err == nil {
				t.Error("no error")
			}
			if took := time.Since(start); took != want {
				t.Errorf("it took %v, want %v", took, want)
			}
			if got := p.rest(); got != "" {
				t.Errorf("got %q", got)
			}
		})
	}
}
