// SPDX-License-Identifier: Apache-2.0

// Package config reads what a server must know before it can start.
//
// Config is the whole of it: one struct whose comments are the manual. They are written for the people who run a
// server, and example.toml, which "kith config" prints, is made from them. Load fills it in three steps, each over the
// one before: the defaults, which depend on the domain; a TOML file; variables of the environment, KITH_ and the key in
// capitals with "_" for "." (KITH_LISTEN_WEB for listen.web; lists with commas). Then everything is checked, and all
// that is wrong is said at once, with file and line or the variable's name. A key that does not exist is an error: a
// misspelt option must not look as if it worked. Variables that do not exist are ignored, since machines set such by
// themselves (KITH_PORT for a service called kith).
//
// What can be changed while the server runs does not stand here but in the database. Other packages do not see Config;
// internal/app hands them plain values.
package config

import (
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
)

// A Config is checked and complete when it comes from Load: every option has its value, and none needs another look.
type Config struct {
	// The name of the server: what stands behind the @ in everybody's address. Choose it once; addresses cannot be moved
	// to another name later. With "localhost" everything listens on this machine only, to try things out.
	Domain string `toml:"domain"`

	// The folder that holds everything the server keeps: the database, its keys, its own certificate. It is made if it is
	// not there. Relative paths, here and below, count from where the server is started.
	Data string `toml:"data"`

	Web      Web      `toml:"web"`
	Listen   Listen   `toml:"listen"`
	TLS      TLS      `toml:"tls"`
	Accounts Accounts `toml:"accounts"`
	Archive  Archive  `toml:"archive"`
	Contact  Contact  `toml:"contact"`
	Limits   Limits   `toml:"limits"`
	Files    Files    `toml:"files"`
	Push     Push     `toml:"push"`
	Log      Log      `toml:"log"`

	// Programs beside the server that have a domain of their own and connect to listen.components, such as gateways to
	// other networks and bots (XEP-0114). Each has a table with its domain, which is not the server's, and a secret of 16
	// characters or more, which the program's own configuration has as well. It can write in the name of every address of
	// its domain. There are no variables for this.
	//
	//	[[components]]
	//	domain = "irc.example.org"
	//	secret = "a long secret that nobody guesses"
	Components []Component `toml:"components"`

	// File is the file that was read, "" if none was there.
	File string `toml:"-"`
}

// Web is how the web app and the invitation pages are reached.
type Web struct {
	// The address under which people open the web app, as they type it. Links in invitations begin with it. The default is
	// http://localhost and the port of listen.web for the domain localhost, and https:// and the domain for any other.
	// Browsers want https for everything but localhost.
	URL string `toml:"url"`

	// Addresses or networks of the proxies in front of the server, such as "127.0.0.1" or "10.1.0.0/16", and no network
	// wider than 10.0.0.0/8 or fd00::/8. What they say about a visitor's address and about https is believed; nobody else
	// is.
	TrustedProxies []string `toml:"trusted_proxies"`
}

// Listen is where the server waits for connections: an address and a port, or only a port, such as ":5222", for all
// addresses of the machine. For the domain localhost the default is 127.0.0.1 with the same ports.
type Listen struct {
	// The web app, the invitation pages and the app's connections, over plain HTTP.
	Web string `toml:"web"`

	// Other XMPP apps; the connection turns to TLS before anything is said (STARTTLS). "" for none.
	Clients string `toml:"clients"`

	// Other XMPP apps that begin with TLS at once. "" for none.
	ClientsTLS string `toml:"clients_tls"`

	// Programs beside the server (see components at the end), without TLS: an address of this machine's loopback or of a
	// private network, and a port. Without components nothing listens here.
	Components string `toml:"components"`

	// Numbers about the server for Prometheus (at /metrics), and profiles for go tool pprof (at /debug/pprof/): an address
	// of this machine's loopback and a port, such as 127.0.0.1:9464. Everybody who may run programs on this machine can
	// read them; nobody else can. "" for none.
	Metrics string `toml:"metrics"`
}

// TLS is how the server proves its name to XMPP apps.
type TLS struct {
	// The file with the certificate and those between it and its authority, and the file with its private key, both as
	// PEM. They are read again when they change. Without them the server makes a certificate of its own, which apps accept
	// only after asking.
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`

	// A file with authorities, as PEM: who has a certificate from one of them that names his or her address logs in with it
	// in place of the password, in apps that can. "" for none. Take an authority of your own, since whoever it gives a
	// certificate for an address is let in; in place of an XMPP address, a mail address counts as well.
	ClientAuthorities string `toml:"client_authorities"`
}

// Accounts is how accounts are kept.
type Accounts struct {
	// How often a password is hashed before it is stored, 4096 or more. A change counts for passwords set from then on.
	Iterations int `toml:"iterations"`

	// Lets old programs log in that know nothing better than to send the password itself (SASL PLAIN), such as
	// go-sendxmpp and mcabber of Debian 12. It costs this: the server, and the proxy in front of it if there is one, sees
	// the password at each such log-in, and whoever gets an app to take a false certificate has it. It is sent over TLS
	// only, or within this machine; other apps go on as before. Leave it off unless somebody needs it.
	Plain bool `toml:"plain"`

	// People see which apps have logged in to their account, and when. Here you choose how long the server remembers an
	// app that is not used any more, in days, 0 for ever; and whether it remembers the network that an app came from last:
	// of an address like 192.0.2.14 only 192.0.2.0/24.
	ClientDays     int  `toml:"client_days"`
	ClientNetworks bool `toml:"client_networks"`
}

// Contact tells everybody where the people who run the server can be reached: a list of addresses for each purpose, as
// "mailto:abuse@example.org", "xmpp:juliet@example.org" or "https://example.org/help".
type Contact struct {
	// Who misuses the server, or is misused by somebody on it.
	Abuse []string `toml:"abuse"`

	// Those who run it.
	Admin []string `toml:"admin"`

	// What people like and do not like.
	Feedback []string `toml:"feedback"`

	// Everything that has a price.
	Sales []string `toml:"sales"`

	// Holes in the server's safety.
	Security []string `toml:"security"`

	// A page that says whether all is well.
	Status []string `toml:"status"`

	// Help for those who have an account.
	Support []string `toml:"support"`

	// Publishes the server's name and its version for those who draw maps of the network (XEP-0485). Who does not wish to
	// be on one leaves it off.
	ServerInfo bool `toml:"server_info"`
}

// Archive is how long messages are kept for people to read again on all their apps.
type Archive struct {
	// After how many days a message is removed, 0 for never. What still waits for somebody who was here within that time
	// stays until it is fetched.
	Days int `toml:"days"`
}

// Limits bounds what one account may take.
type Limits struct {
	// How many apps and browser windows of one account may be connected at once, 1 to 1000. One more is
	// refused.
	Sessions int `toml:"sessions"`

	// The longest message that is taken, in bytes, 10000 to 4194304.
	Stanza int `toml:"stanza"`
}

// Files bounds what people send each other as pictures and files. They are kept in the data folder.
type Files struct {
	// The largest file, in bytes, 1000000 to 10737418240. A proxy in front of the server must let so much through.
	MaxSize int64 `toml:"max_size"`

	// How much one account may send within 24 hours, in bytes, max_size or more.
	PerDay int64 `toml:"per_day"`

	// How much of one account is kept at a time, in bytes, max_size or more.
	PerAccount int64 `toml:"per_account"`
}

// Push is how phones and browsers are woken that sleep.
type Push struct {
	// What the push services of apps are told in place of a message's text, the same for every message; nobody's words and
	// names go there. They look whether there is something to tell what cannot wait. "" for nothing, which makes pushes late.
	Notice string `toml:"notice"`

	// Lets people name push services for their browsers that are on this machine or in its network, and without
	// encryption. For tests and development only: anybody with an account could have the server connect to what nobody
	// else can reach.
	AllowLocal bool `toml:"allow_local"`
}

// A Component is a program that may connect.
type Component struct {
	Domain string `toml:"domain"`
	Secret string `toml:"secret"`
}

// Log is what the server tells while it runs, on its standard error.
type Log struct {
	// What is worth a line: "debug", "info", "warn" or "error". Lines at info have no address and no text of anybody. Of a
	// line that comes again and again, some are left out, and counted; at debug none are.
	Level string `toml:"level"`

	// "text" for people, "json" for machines.
	Format string `toml:"format"`
}

// Defaults returns the values of all options that are not set, for the domain of that name. Only Web.URL is left open:
// it depends on what is set.
func Defaults(domain string) Config {
	host := ""
	if domain == "localhost" {
		host = "127.0.0.1"
	}
	return Config{
		Domain:   domain,
		Data:     "./data",
		Listen:   Listen{Web: host + ":8080", Clients: host + ":5222", ClientsTLS: host + ":5223", Components: "127.0.0.1:5347"},
		Accounts: Accounts{Iterations: 10_000, ClientDays: 90, ClientNetworks: true},
		Archive:  Archive{Days: 30},
		Limits:   Limits{Sessions: 20, Stanza: 256 << 10},
		// 100 MiB, and what encryption adds (XEP-0454 §3).
		Files: Files{MaxSize: 100<<20 + 16, PerDay: 1 << 30, PerAccount: 10 << 30},
		Push:  Push{Notice: "New message"},
		Log:   Log{Level: "info", Format: "text"},
	}
}

// Socket is the path of the socket over which the commands talk to the running server.
func (c Config) Socket() string { return filepath.Join(c.Data, "control.sock") }

// Proxies returns TrustedProxies as networks.
func (w Web) Proxies() []netip.Prefix {
	var list []netip.Prefix
	for _, s := range w.TrustedProxies {
		if p, err := parseNetwork(s); err == nil { // checked by Load
			list = append(list, p)
		}
	}
	return list
}

// Handler returns a handler that writes log lines to w as configured.
func (l Log) Handler(w io.Writer) slog.Handler {
	o := &slog.HandlerOptions{Level: levels[l.Level]}
	if l.Format == "json" {
		return slog.NewJSONHandler(w, o)
	}
	return slog.NewTextHandler(w, o)
}

// levels are the values of Log.Level.
var levels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

// parseNetwork reads an address or a network.
func parseNetwork(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		return p.Masked(), err
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}
