// SPDX-License-Identifier: Apache-2.0

package xmpptest

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2   = "urn:xmpp:sasl:2"
	nsBind    = "urn:ietf:params:xml:ns:xmpp-bind"
	nsBind2   = "urn:xmpp:bind:0"
	nsSession = "urn:ietf:params:xml:ns:xmpp-session"
	nsFAST    = "urn:xmpp:fast:0"
	nsBinding = "urn:xmpp:sasl-cb:0"
)

// An AuthError is a <failure/> of the server.
type AuthError struct {
	Condition string // such as "not-authorized"
	Raw       xmlstream.Raw
}

func (e *AuthError) Error() string { return "authentication failed: " + e.Condition }

// A mechanism is the client's side of one exchange.
type mechanism interface {
	Initial() []byte
	Respond(challenge []byte) ([]byte, error)
	Verify(data []byte) error
}

// plain is the mechanism PLAIN (RFC 4616).
type plain string

func (p plain) Initial() []byte                { return []byte(p) }
func (p plain) Respond([]byte) ([]byte, error) { return nil, errors.New("PLAIN has no challenge") }
func (p plain) Verify([]byte) error            { return nil }

// newMechanism returns the client's side of a mechanism, which knows what the server offered in the profile ns; password
// is the token for HT. Where it binds to the channel, it does so by the strongest type.
func (c *Client) newMechanism(ns, name, user, password string) (mechanism, error) {
	offer := c.offer(ns)
	if name == "PLAIN" {
		return plain("\x00" + user + "\x00" + password), nil
	}
	if strings.HasPrefix(name, "HT-") {
		return sasl.NewHTClient(name, user, password, offer.Channel)
	}
	h, ok := sasl.HashOf(name)
	if !ok {
		return nil, fmt.Errorf("no client for mechanism %s", name)
	}
	m, err := sasl.NewSCRAMClient(h, user, password, "")
	if err != nil {
		return nil, err
	}
	m.Saw(offer)
	if types := offer.Channel.Types(); sasl.IsPlus(name) && len(types) > 0 {
		err = m.Bind(offer.Channel, types[len(types)-1])
	}
	return m, err
}

// offer is what the features say of how to log in by the profile ns.
func (c *Client) offer(ns string) (o sasl.Offer) {
	local := "mechanisms"
	if ns == nsSASL2 {
		local = "authentication"
	}
	if c.Features.IsZero() {
		return o
	}
	if list, ok := c.Features.Child(ns, local); ok {
		for el := range list.Children() {
			if el.Is(ns, "mechanism") {
				o.Mechanisms = append(o.Mechanisms, el.Text())
			}
		}
	}
	// XEP-0440 §2: what is announced; both sides make the same of one certificate.
	if _, ok := c.Features.Child(nsBinding, "sasl-channel-binding"); !ok {
		return o
	}
	if state := c.secured(); state != nil && len(state.PeerCertificates) > 0 {
		o.Channel = sasl.NewChannel(state, state.PeerCertificates[0])
	}
	return o
}

// Authenticate proves who we are with SASL (RFC 6120 §6.4) and reopens the stream. A refusal is *AuthError.
func (c *Client) Authenticate(ctx context.Context, user, password, mech string) error {
	if err := c.Prove(ctx, user, password, mech); err != nil {
		return err
	}
	return c.Reopen(ctx)
}

// Prove is Authenticate that does not reopen the stream.
func (c *Client) Prove(ctx context.Context, user, password, mech string) error {
	m, err := c.newMechanism(nsSASL, mech, user, password)
	if err != nil {
		return err
	}
	initial := encode(m.Initial())
	if initial == "" {
		initial = "=" // RFC 6120 §6.4.2
	}
	if err := c.Send(`<auth xmlns="` + nsSASL + `" mechanism="` + mech + `">` + initial + `</auth>`); err != nil {
		return err
	}
	success, err := c.exchange(ctx, m, nsSASL)
	if err != nil {
		return err
	}
	return verify(m, success.Text(), success.Text() != "")
}

// exchange answers challenges until the server says how it ended.
func (c *Client) exchange(ctx context.Context, m mechanism, ns string) (xmlstream.Node, error) {
	for {
		n, err := c.next(ctx)
		if err != nil {
			return n, err
		}
		switch {
		case n.Is(ns, "success"):
			return n, nil
		case n.Is(ns, "failure"):
			e := &AuthError{Condition: "undefined-condition", Raw: n.Raw()}
			for child := range n.Children() {
				if name := child.Name(); name.Space == nsSASL && name.Local != "text" {
					e.Condition = name.Local
				}
			}
			return n, e
		case !n.Is(ns, "challenge"):
			return n, fmt.Errorf("during authentication came %s", n.Raw())
		}
		challenge, err := base64.StdEncoding.DecodeString(n.Text())
		if err != nil {
			return n, err
		}
		response, err := m.Respond(challenge)
		if err != nil {
			return n, err
		}
		if err := c.Send(`<response xmlns="` + ns + `">` + encode(response) + `</response>`); err != nil {
			return n, err
		}
	}
}

// textOf returns the text of a node that may not be there.
func textOf(n xmlstream.Node) string {
	if n.IsZero() {
		return ""
	}
	return n.Text()
}

func encode(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// verify checks the server's proof; a mechanism that needs one gets none with given false.
func verify(m mechanism, data string, given bool) error {
	if _, ok := m.(plain); ok && !given {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return err
	}
	return m.Verify(b)
}

// Bind binds a resource (RFC 6120 §7), "" for one of the server's choice, and asks for a session where the server
// wants that (RFC 3921 §3).
func (c *Client) Bind(ctx context.Context, resource string) error {
	if resource != "" {
		resource = "<resource>" + string(xmlstream.AppendEscaped(nil, resource)) + "</resource>"
	}
	if err := c.Send(`<iq type="set" id="bind"><bind xmlns="` + nsBind + `">` + resource + `</bind></iq>`); err != nil {
		return err
	}
	n, err := c.Expect(ctx, `<iq type="result" id="bind"><bind xmlns="`+nsBind+`"><jid>…</jid></bind></iq>`)
	if err != nil {
		return err
	}
	bound, _ := n.Child(nsBind, "bind")
	full, _ := bound.Child(nsBind, "jid")
	if c.JID, err = jid.Parse(full.Text()); err != nil {
		return err
	}
	session, ok := c.Features.Child(nsSession, "session")
	if !ok {
		return nil
	}
	if _, optional := session.Child(nsSession, "optional"); optional {
		return nil
	}
	if err := c.Send(`<iq type="set" id="session"><session xmlns="` + nsSession + `"/></iq>`); err != nil {
		return err
	}
	_, err = c.Expect(ctx, `<iq type="result" id="session"/>`)
	return err
}

// Login is Authenticate and Bind. mech is one of the SCRAM mechanisms or PLAIN.
func (c *Client) Login(ctx context.Context, user, password, resource, mech string) error {
	if err := c.Authenticate(ctx, user, password, mech); err != nil {
		return err
	}
	return c.Bind(ctx, resource)
}

// SASL2 is a request to authenticate (XEP-0388 §2.3) and what goes with it.
type SASL2 struct {
	User      string
	Password  string // or the token, where Mechanism is one of HT (XEP-0484 §3.4)
	Mechanism string
	Client    string // id of the user agent, a UUID; "" for none

	Bind         bool   // bind a resource (XEP-0386 §3.2)
	Tag          string // for its name; "" for none
	BindFeatures string // elements that go into <bind/>, such as carbons' enable

	RequestToken bool   // a token (XEP-0484 §3.2)
	TokenFor     string // the mechanism that it is for; "": HT-SHA-256-NONE
	Invalidate   bool   // this one's token (XEP-0484 §3.6)
	Extra        string // elements that go into <authenticate/>, such as 0198's resume
}

// A Welcome is what came with success.
type Welcome struct {
	Success xmlstream.Node // the whole of it
	Token   string         // "" if there was none (XEP-0484 §3.3)
	Expiry  string         // of the token, as the server wrote it
	Resumed bool           // the session before goes on (XEP-0198 §5)
}

// LoginSASL2 authenticates as a says, and sets c.JID and c.Features. A refusal is *AuthError.
func (c *Client) LoginSASL2(ctx context.Context, a SASL2) (Welcome, error) {
	m, err := c.newMechanism(nsSASL2, a.Mechanism, a.User, a.Password)
	if err != nil {
		return Welcome{}, err
	}
	if err := c.Send(a.request(m)); err != nil {
		return Welcome{}, err
	}
	success, err := c.exchange(ctx, m, nsSASL2)
	if err != nil {
		return Welcome{}, err
	}
	data, given := success.Child(nsSASL2, "additional-data")
	if err := verify(m, textOf(data), given); err != nil {
		return Welcome{}, err
	}
	w := Welcome{Success: success}
	id, _ := success.Child(nsSASL2, "authorization-identifier")
	if c.JID, err = jid.Parse(textOf(id)); err != nil {
		return w, fmt.Errorf("authorization-identifier: %w", err)
	}
	if t, ok := success.Child(nsFAST, "token"); ok {
		w.Token, w.Expiry = t.Attr("token"), t.Attr("expiry")
	}
	if bound, ok := success.Child(nsBind2, "bound"); ok {
		if n, ok := bound.Child(nsManagement, "enabled"); ok {
			c.managed, c.taken, c.acked, c.smID = true, 0, 0, n.Attr("id")
		}
	}
	if _, w.Resumed = success.Child(nsManagement, "resumed"); w.Resumed {
		c.managed = true
		return w, nil // XEP-0198 §5: no features follow
	}
	return w, c.readFeatures(ctx) // XEP-0388 §2.6.1
}

func (a SASL2) request(m mechanism) string {
	var b strings.Builder
	b.WriteString(`<authenticate xmlns="` + nsSASL2 + `" mechanism="` + a.Mechanism + `">`)
	b.WriteString(`<initial-response>` + encode(m.Initial()) + `</initial-response>`)
	if a.Client != "" {
		b.WriteString(`<user-agent id="` + a.Client + `"><software>xmpptest</software></user-agent>`)
	}
	if a.Bind {
		b.WriteString(`<bind xmlns="` + nsBind2 + `">`)
		if a.Tag != "" {
			b.WriteString(`<tag>` + string(xmlstream.AppendEscaped(nil, a.Tag)) + `</tag>`)
		}
		b.WriteString(a.BindFeatures + `</bind>`)
	}
	if a.RequestToken {
		b.WriteString(`<request-token xmlns="` + nsFAST + `" mechanism="` + cmp.Or(a.TokenFor, sasl.HTSHA256NONE) + `"/>`)
	}
	if strings.HasPrefix(a.Mechanism, "HT-") {
		b.WriteString(`<fast xmlns="` + nsFAST + `"`)
		if a.Invalidate {
			b.WriteString(` invalidate="true"`)
		}
		b.WriteString(`/>`)
	}
	b.WriteString(a.Extra + `</authenticate>`)
	return b.String()
}
