// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// certificate makes a self-signed one.
func certificate(t testing.TB, key crypto.Signer, a x509.SignatureAlgorithm) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), SignatureAlgorithm: a}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func ecKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// The hash is the one that the certificate is signed with, but for those that are broken (RFC 5929 §4.1).
func TestEndPoint(t *testing.T) {
	t.Parallel()
	ec := ecKey(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sum256 := func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
	sum384 := func(b []byte) []byte { s := sha512.Sum384(b); return s[:] }
	sum512 := func(b []byte) []byte { s := sha512.Sum512(b); return s[:] }
	for _, test := range []struct {
		key       crypto.Signer
		algorithm x509.SignatureAlgorithm
		want      func([]byte) []byte
	}{
		{ec, x509.ECDSAWithSHA256, sum256},
		{ec, x509.ECDSAWithSHA384, sum384},
		{ec, x509.ECDSAWithSHA512, sum512},
		{rsaKey, x509.SHA256WithRSA, sum256},
		{rsaKey, x509.SHA384WithRSAPSS, sum384},
		{rsaKey, x509.SHA512WithRSA, sum512},
		{ed, x509.PureEd25519, func([]byte) []byte { return nil }},
	} {
		leaf := certificate(t, test.key, test.algorithm).Leaf
		if got, want := endPoint(leaf), test.want(leaf.Raw); !slices.Equal(got, want) {
			t.Errorf("%v: got %x, want %x", test.algorithm, got, want)
		}
	}
	// Nobody makes such certificates any more; what is asked is what is signed with.
	for _, a := range []x509.SignatureAlgorithm{x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1} {
		if got, want := endPoint(&x509.Certificate{Raw: []byte("x"), SignatureAlgorithm: a}), sum256([]byte("x")); !slices.Equal(got, want) {
			t.Errorf("%v: got %x, want %x", a, got, want)
		}
	}
	if got := endPoint(nil); got != nil {
		t.Errorf("no certificate: got %x", got)
	}
}

// connect shakes hands over loopback, and returns both sides' view of the connection.
func connect(t testing.TB, cert tls.Certificate, version uint16) (server, client Channel) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan Channel, 1)
	go func() {
		defer close(done)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		c := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version})
		if c.Handshake() != nil {
			return
		}
		state := c.ConnectionState()
		done <- NewChannel(&state, cert.Leaf)
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	state := c.ConnectionState()
	return <-done, NewChannel(&state, state.PeerCertificates[0])
}

// Both ends of a connection see the same channel, and the ends of two connections do not (RFC 9266, RFC 5929 §4).
func TestChannel(t *testing.T) {
	t.Parallel()
	cert := certificate(t, ecKey(t), x509.ECDSAWithSHA256)
	for version, want := range map[uint16]string{tls.VersionTLS12: "0303", tls.VersionTLS13: "0304"} {
		server, client := connect(t, cert, version)
		if diff := cmp.Diff(server, client, cmp.AllowUnexported(Channel{})); diff != "" {
			t.Errorf("%s: %s", want, diff)
		}
		if diff := cmp.Diff([]string{TLSServerEndPoint, TLSExporter}, server.Types()); diff != "" {
			t.Errorf("%s: %s", want, diff)
		}
		if len(server.exporter) != 32 {
			t.Errorf("%s: %d bytes", want, len(server.exporter))
		}
		if got := (Offer{Channel: server}).attributes(SHA1); got != ",t="+want {
			t.Errorf("got %s, want ,t=%s", got, want)
		}
		other, _ := connect(t, cert, version)
		if slices.Equal(other.exporter, server.exporter) || !slices.Equal(other.endPoint, server.endPoint) {
			t.Errorf("%s: another connection: %+v after %+v", want, other, server)
		}
	}
	if list := (Channel{}).Types(); list != nil {
		t.Errorf("no TLS of ours: got %v", list)
	}
	if _, ok := (Channel{exporter: []byte("x")}).Data("tls-unique"); ok {
		t.Error("there is tls-unique")
	}
}

// script is what a client sends and is sent, without the nonce of the server.
type script struct {
	name             string
	mechanisms       []string
	channel          Channel
	first, challenge string
	final, success   string
}

// The examples of XEP-0474 §6.3 and XEP-0515 §4.3. (Those of XEP-0388 §2 are not of one exchange: no password gives them.)
func TestExamples(t *testing.T) {
	t.Parallel()
	const nonce = "12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6"
	fake := []byte("THIS IS FAKE CB DATA")
	plus := []string{"SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"}
	const first = "p=tls-exporter,,n=user,r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6"
	for _, test := range []script{
		{
			name: "XEP-0474", channel: Channel{exporter: fake, endPoint: []byte("x")}, mechanisms: plus, first: first,
			challenge: "r=" + nonce + ",s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08=",
			final: "c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,r=" + nonce +
				",x=19C6532F-1CF4-4A27-A18D-DC9CEA41BBB3,p=M/SIDjT+dfcxUh89jZEypRvFxB4=",
			success: "v=MQrMPvv7yv4x4Cq4W4Ih25EqS2c=",
		},
		{
			name: "XEP-0515", channel: Channel{version: tls.VersionTLS13, exporter: fake, endPoint: []byte("x")}, mechanisms: plus, first: first,
			challenge: "r=" + nonce + ",s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08=,t=0304",
			final:     "c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,r=" + nonce + ",p=KHUfN8dSy1K95crT4D5y1ItLJfs=",
			success:   "v=3w34ZIMVRkx2f2Ozb3/ecRPVdv4=",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			salt, _ := base64.StdEncoding.DecodeString("QSXCR+Q6sek8bf92")
			creds, err := Derive(SHA1, "pencil", salt, 4096)
			if err != nil {
				t.Fatal(err)
			}
			s := NewSCRAM(SCRAM{
				Hash: SHA1, Plus: true, Offer: Offer{Mechanisms: test.mechanisms, Channel: test.channel},
				Lookup: func(context.Context, string) (Credentials, error) { return creds, nil },
			}).(*scramServer)
			s.nonce = func() string { return "a09117a6-ac50-4f2f-93f1-93799c2bddf6" }
			challenge, _, err := s.Next(t.Context(), []byte(test.first))
			if got, want := string(challenge), test.challenge; got != want || err != nil {
				t.Fatalf("challenge\n got %s, %v\nwant %s", got, err, want)
			}
			success, done, err := s.Next(t.Context(), []byte(test.final))
			if got, want := string(success), test.success; got != want || !done {
				t.Errorf("success\n got %s, %v\nwant %s", got, err, want)
			}
		})
	}
}

// bound runs an exchange of a client that sees seen, and takes part in it as do says, with a server that offered offer.
func bound(t *testing.T, plus bool, offer, seen Offer, do func(*SCRAMClient)) error {
	t.Helper()
	s := NewSCRAM(SCRAM{Hash: SHA256, Plus: plus, Offer: offer, Lookup: fixed(t, SHA256, "pencil", nil)})
	c, err := NewSCRAMClient(SHA256, "juliet", "pencil", "")
	if err != nil {
		t.Fatal(err)
	}
	c.Saw(seen)
	do(c)
	return exchange(t, s, c)
}

// Who is in the middle is found out (RFC 5802 §6, XEP-0474 §6.2, XEP-0515 §4.2).
func TestBinding(t *testing.T) {
	t.Parallel()
	ours := Offer{
		Mechanisms: []string{SCRAMSHA256PLUS, SCRAMSHA256},
		Channel:    Channel{version: tls.VersionTLS13, exporter: []byte("exported"), endPoint: []byte("hashed")},
	}
	other := ours.Channel
	other.exporter = []byte("something else")
	proxied := Offer{Mechanisms: []string{SCRAMSHA256}}
	by := func(ch Channel, kind string) func(*SCRAMClient) {
		return func(c *SCRAMClient) {
			if err := c.Bind(ch, kind); err != nil {
				t.Error(err)
			}
		}
	}
	flag := func(f string) func(*SCRAMClient) { return func(c *SCRAMClient) { c.flag = f } }
	none := func(*SCRAMClient) {}
	changed := func(change func(o *Offer)) Offer {
		o := ours
		o.Mechanisms = slices.Clone(o.Mechanisms)
		change(&o)
		return o
	}
	downgrade := ErrDowngrade.Error()
	for _, test := range []struct {
		name        string
		plus        bool
		offer, seen Offer
		do          func(*SCRAMClient)
		want        string // condition, or the beginning of a client's error
	}{
		{"by what TLS exports", true, ours, ours, by(ours.Channel, TLSExporter), ""},
		{"by the certificate", true, ours, ours, by(ours.Channel, TLSServerEndPoint), ""},
		{"another connection", true, ours, ours, by(other, TLSExporter), NotAuthorized},
		{"another connection with the same certificate", true, ours, ours, by(other, TLSServerEndPoint), ""},
		{"a type that we do not have", true, ours, ours, flag("p=tls-unique"), InvalidMechanism},
		{"a type that we do not have here", true, changed(func(o *Offer) { o.Channel.exporter = nil }), Offer{}, flag("p=tls-exporter"), InvalidMechanism},
		{"-PLUS where TLS is not ours", true, proxied, Offer{}, by(ours.Channel, TLSExporter), InvalidMechanism},
		{"-PLUS and no binding", true, ours, ours, none, MalformedRequest},
		{"-PLUS and it thinks that we cannot", true, ours, ours, flag("y"), MalformedRequest},
		{"binding and no -PLUS", false, ours, ours, by(ours.Channel, TLSExporter), MalformedRequest},
		{"a client that cannot", false, ours, ours, none, ""},
		{"a client that thinks that we cannot", false, ours, ours, flag("y"), NotAuthorized},
		{"slixmpp, which thinks so after a refusal", false, ours, ours, func(c *SCRAMClient) { c.flag, c.nonce = "y", "5182730916452738" }, ""},
		{"and it is right", false, proxied, proxied, flag("y"), ""},
		{"a mechanism was taken away", false, ours, changed(func(o *Offer) { o.Mechanisms = o.Mechanisms[1:] }), none, downgrade},
		{"a type was taken away", false, ours, changed(func(o *Offer) { o.Channel.endPoint = nil }), none, downgrade},
		{"all types were", false, ours, changed(func(o *Offer) { o.Channel = Channel{version: o.Channel.version} }), none, downgrade},
		{"an older TLS", false, ours, changed(func(o *Offer) { o.Channel.version = tls.VersionTLS12 }), none, downgrade},
		{"the order is nothing", false, ours, changed(func(o *Offer) { slices.Reverse(o.Mechanisms) }), none, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := bound(t, test.plus, test.offer, test.seen, test.do)
			if got := condition(err); got != test.want && !(test.want == downgrade && errors.Is(err, ErrDowngrade)) {
				t.Errorf("got %q (%v), want %q", got, err, test.want)
			}
		})
	}
	if err := new(SCRAMClient).Bind(Channel{}, TLSExporter); err == nil {
		t.Error("a client binds to nothing")
	}
}

// A token is good for its mechanism on its connection, and not on another.
func TestBoundHT(t *testing.T) {
	t.Parallel()
	ch := Channel{exporter: []byte("exported"), endPoint: []byte("hashed")}
	other := Channel{exporter: []byte("something else"), endPoint: []byte("hashed")}
	if got, want := strings.Join(HTMechanisms(ch), " "), "HT-SHA-256-ENDP HT-SHA-256-EXPR HT-SHA-256-NONE"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := strings.Join(HTMechanisms(Channel{}), " "); got != HTSHA256NONE {
		t.Errorf("where TLS is not ours: got %s", got)
	}
	if _, err := NewHTClient(HTSHA256EXPR, "juliet", "token", Channel{}); err == nil {
		t.Error("a client binds to nothing")
	}
	for _, test := range []struct {
		mech, client string
		ch           Channel
		want         string
	}{
		{HTSHA256EXPR, HTSHA256EXPR, ch, ""},
		{HTSHA256ENDP, HTSHA256ENDP, ch, ""},
		{HTSHA256NONE, HTSHA256NONE, ch, ""},
		{HTSHA256EXPR, HTSHA256EXPR, other, NotAuthorized},
		{HTSHA256ENDP, HTSHA256ENDP, other, ""},
		{HTSHA256EXPR, HTSHA256NONE, ch, NotAuthorized},
		{HTSHA256NONE, HTSHA256EXPR, ch, NotAuthorized},
	} {
		binding, ok := HTBinding(test.mech, ch)
		if !ok {
			t.Fatalf("no %s", test.mech)
		}
		s := NewHT(func(context.Context, string) ([][]byte, error) { return [][]byte{[]byte("token")}, nil }, binding)
		c, err := NewHTClient(test.client, "juliet", "token", test.ch)
		if err != nil {
			t.Fatal(err)
		}
		reply, _, err := s.Next(t.Context(), c.Initial())
		if got := condition(err); got != test.want {
			t.Errorf("%s to %s: got %q, want %q", test.client, test.mech, got, test.want)
		}
		if err == nil && c.Verify(reply) != nil {
			t.Errorf("%s: the server's proof is wrong", test.mech)
		}
		if _, err := c.Respond(nil); !errors.Is(err, ErrServer) {
			t.Errorf("a challenge: got %v", err)
		}
	}
}
