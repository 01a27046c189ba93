// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/xmpp/jid"
)

// widestProxies is how many bits a network of proxies must name. A private network may be as wide as 10.0.0.0/8; what is
// wider holds addresses of strangers.
const widestProxies = 8

// complete checks every option, brings it into its one form and fills in what follows from others. where names the
// place of an option for the person who has to mend it.
func complete(c *Config, where func(key string) string) (problems []error) {
	bad := func(key, format string, args ...any) {
		place, text := where(key), fmt.Sprintf(format, args...)
		if strings.HasSuffix(place, key) {
			problems = append(problems, fmt.Errorf("%s: %s", place, text))
			return
		}
		problems = append(problems, fmt.Errorf("%s: %s: %s", place, key, text))
	}

	if j, err := jid.New("", c.Domain, ""); err != nil {
		bad("domain", "%q cannot be the name of a server; it should look like chat.example.org", c.Domain)
	} else {
		c.Domain = j.Domain()
	}
	if c.Data == "" {
		bad("data", "names no folder")
	}
	for _, l := range []struct {
		key, address string
		needed       bool
	}{
		{"listen.web", c.Listen.Web, true},
		{"listen.clients", c.Listen.Clients, false},
		{"listen.clients_tls", c.Listen.ClientsTLS, false},
	} {
		if l.address == "" && !l.needed {
			continue
		}
		if err := checkAddress(l.address); err != nil {
			bad(l.key, "%q is no address to listen on: %v; it should look like :8080 or 127.0.0.1:8080", l.address, err)
		}
	}
	if host, _, err := net.SplitHostPort(c.Listen.Metrics); c.Listen.Metrics != "" {
		switch {
		case err != nil || checkAddress(c.Listen.Metrics) != nil:
			bad("listen.metrics", "%q is no address to listen on; it should look like 127.0.0.1:9464", c.Listen.Metrics)
		case !isLoopback(host):
			bad("listen.metrics", "%q can be reached from elsewhere, and profiles are for this machine only; it should look like 127.0.0.1:9464", c.Listen.Metrics)
		}
	}
	if host, _, err := net.SplitHostPort(c.Listen.Components); len(c.Components) > 0 {
		switch {
		case err != nil || checkAddress(c.Listen.Components) != nil:
			bad("listen.components", "%q is no address to listen on; it should look like 127.0.0.1:5347", c.Listen.Components)
		case !isLoopback(host) && !isPrivate(host):
			bad("listen.components", "%q may be reached from everywhere, and there is no TLS; it should look like 127.0.0.1:5347", c.Listen.Components)
		}
	}
	c.completeComponents(bad)
	if err := c.completeURL(); err != nil {
		bad("web.url", "%v", err)
	}
	for _, p := range c.Web.TrustedProxies {
		switch network, err := parseNetwork(p); {
		case err != nil:
			bad("web.trusted_proxies", "%q is neither an address like 127.0.0.1 nor a network like 10.1.0.0/16", p)
		case network.Bits() < widestProxies:
			bad("web.trusted_proxies", "%q is so wide that visitors could say anything of themselves; name the addresses of the proxies", p)
		}
	}
	switch {
	case c.TLS.Certificate != "" && c.TLS.Key == "":
		bad("tls.certificate", "needs tls.key beside it")
	case c.TLS.Certificate == "" && c.TLS.Key != "":
		bad("tls.key", "needs tls.certificate beside it")
	}
	for _, n := range []struct {
		key           string
		got, min, max int64
	}{
		{"accounts.iterations", int64(c.Accounts.Iterations), 4096, 10_000_000},
		{"accounts.client_days", int64(c.Accounts.ClientDays), 0, 36_500},
		{"archive.days", int64(c.Archive.Days), 0, 36_500},
		{"limits.sessions", int64(c.Limits.Sessions), 1, 1000},
		{"limits.stanza", int64(c.Limits.Stanza), 10_000, 4 << 20}, // RFC 6120 §13.12: 10,000 bytes at least
		{"files.max_size", c.Files.MaxSize, 1_000_000, 10 << 30},
		{"files.per_day", c.Files.PerDay, c.Files.MaxSize, 1 << 50},
		{"files.per_account", c.Files.PerAccount, c.Files.MaxSize, 1 << 50},
	} {
		if n.got < n.min || n.got > n.max {
			bad(n.key, "%d is out of range; it may be %d to %d", n.got, n.min, n.max)
		}
	}
	for _, l := range []struct {
		key  string
		list []string
	}{
		{"contact.abuse", c.Contact.Abuse}, {"contact.admin", c.Contact.Admin}, {"contact.feedback", c.Contact.Feedback},
		{"contact.sales", c.Contact.Sales}, {"contact.security", c.Contact.Security}, {"contact.status", c.Contact.Status},
		{"contact.support", c.Contact.Support},
	} {
		for _, a := range l.list {
			if u, err := url.Parse(a); err != nil || u.Scheme == "" || u.Opaque == "" && u.Host == "" { // XEP-0157 §3
				bad(l.key, "%q is no address; it should look like mailto:abuse@example.org, xmpp:juliet@example.org or https://example.org/help", a)
			}
		}
	}
	if _, ok := levels[c.Log.Level]; !ok {
		bad("log.level", "%q is none of debug, info, warn, error", c.Log.Level)
	}
	if c.Log.Format != "text" && c.Log.Format != "json" {
		bad("log.format", "%q is neither text nor json", c.Log.Format)
	}
	return problems
}

// minSecret is how long a component's secret is at least, in characters.
const minSecret = 16

// completeComponents checks the components, and brings their domains into their one form.
func (c *Config) completeComponents(bad func(key, format string, args ...any)) {
	seen := map[string]bool{c.Domain: true}
	for i := range c.Components {
		x := &c.Components[i]
		j, err := jid.New("", x.Domain, "")
		if err != nil {
			bad("components", "%q cannot be a domain; it should look like irc.example.org", x.Domain)
			continue
		}
		x.Domain = j.Domain()
		switch {
		case seen[x.Domain]:
			bad("components", "%q is taken already, by the server or another component", x.Domain)
		case utf8.RuneCountInString(x.Secret) < minSecret:
			bad("components", "the secret of %q is shorter than %d characters", x.Domain, minSecret)
		}
		seen[x.Domain] = true
	}
}

// checkAddress checks an address to listen on.
func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if e, ok := errors.AsType[*net.AddrError](err); ok {
			return errors.New(e.Err)
		}
		return err
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is not a port", port)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "" && host != "localhost" {
		return fmt.Errorf("%q is not an address of this machine", host)
	}
	return nil
}

// completeURL checks Web.URL, or makes it of the domain and the port. It ends without a slash.
func (c *Config) completeURL() error {
	if c.Web.URL == "" {
		c.Web.URL = "https://" + c.Domain
		if c.Domain == "localhost" {
			_, port, _ := net.SplitHostPort(c.Listen.Web) // checked before
			c.Web.URL = "http://localhost:" + port
		}
		return nil
	}
	u, err := url.Parse(c.Web.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is no address of a web page; it should look like https://chat.example.org", c.Web.URL)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return fmt.Errorf("%q is more than a name and a port; the app needs the whole of a name for itself", c.Web.URL)
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		return fmt.Errorf("%q is without encryption, and browsers refuse such an app anywhere but on localhost; put a proxy with https in front", c.Web.URL)
	}
	c.Web.URL = u.Scheme + "://" + strings.ToLower(u.Host)
	return nil
}

func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func isPrivate(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsPrivate()
}
