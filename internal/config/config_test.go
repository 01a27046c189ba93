// SPDX-License-Identifier: Apache-2.0

package config

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// component is the table of one that is right.
const component = "[[components]]\ndomain = \"IRC.example\"\nsecret = \"0123456789abcdef\"\n\n"

// Components have their domain in its one form, and listen within this machine or a private network.
func TestComponents(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:5347", "[::1]:5347", "172.18.0.2:5347", "localhost:0"} {
		c, err := Load(write(t, component+"[listen]\ncomponents = \""+listen+"\"\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := []Component{{"irc.example", "0123456789abcdef"}}; !cmp.Equal(c.Components, want) || c.Listen.Components != listen {
			t.Errorf("got %v at %s", c.Components, c.Listen.Components)
		}
	}
}

// write makes a configuration file and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kith.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLoad(t *testing.T) {
	t.Parallel()
	localhost, example := Defaults("localhost"), Defaults("kith.example")
	localhost.Web.URL, example.Web.URL = "http://localhost:8080", "https://kith.example"
	with := func(c Config, change func(*Config)) Config { change(&c); return c }

	tests := []struct {
		name    string
		text    string
		environ []string
		want    Config
	}{
		{"nothing said", "", nil, localhost},
		{"a domain opens it to the world", "domain = \"kith.example\"", nil, example},
		{"a domain by variable does so too", "", []string{"KITH_DOMAIN=kith.example", "HOME=/root"}, example},
		{"the domain in its one form", "domain = \"KITH.Example.\"", nil, example},
		{"the variable wins over the file", "domain = \"other.example\"", []string{"KITH_DOMAIN=kith.example"}, example},
		{"the port of the links follows", "[listen]\nweb = \":9090\"", nil, with(localhost, func(c *Config) {
			c.Listen.Web, c.Web.URL = ":9090", "http://localhost:9090"
		})},
		{"a listener switched off", "[listen]\nclients_tls = \"\"", nil, with(localhost, func(c *Config) { c.Listen.ClientsTLS = "" })},
		{"addresses of links lose the slash", "[web]\nurl = \"https://Chat.Example/\"", nil, with(localhost, func(c *Config) {
			c.Web.URL = "https://chat.example"
		})},
		{"variables of all kinds", "", []string{
			"KITH_LIMITS_SESSIONS=5", "KITH_WEB_TRUSTED_PROXIES=127.0.0.1, 10.0.0.0/8", "KITH_LOG_FORMAT=json", "KITH_PORT=tcp://10.0.0.1:80",
			"KITH_ACCOUNTS_PLAIN=true",
		}, with(localhost, func(c *Config) {
			c.Limits.Sessions, c.Log.Format, c.Accounts.Plain = 5, "json", true
			c.Web.TrustedProxies = []string{"127.0.0.1", "10.0.0.0/8"}
		})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := write(t, tt.text)
			got, err := Load(file, tt.environ)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.File = file
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("configuration (- want, + got):\n%s", diff)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		text    string
		environ []string
		want    string // FILE stands for the file's path
	}{
		{"a key that is not there", "domain = \"localhost\"\n\n[listen]\nwbe = \":80\"\n", nil,
			"FILE:4: there is no option listen.wbe; did you mean listen.web?"},
		{"a key without its table", "clients_tls = \":1\"\n", nil,
			"FILE:1: there is no option clients_tls; did you mean listen.clients_tls?"},
		{"a table that is not there", "# x = 1\n[cluster]\nnodes = 3\n", nil, "FILE:2: there is no option cluster\nFILE:3: there is no option cluster.nodes"},
		{"a dotted key", "\"log\".colour = 1\n", nil, "FILE:1: there is no option log.colour"},
		{"no TOML", "domain = \"localhost\"\nlog\n", nil, "FILE:2: expected '.' or '=', but got '\\n' instead"},
		{"a value of another kind", "[limits]\nsessions = \"many\"\n", nil, "FILE:2: limits.sessions: this takes integer, not string"},
		{"a variable of another kind", "", []string{"KITH_LIMITS_SESSIONS=many"}, `KITH_LIMITS_SESSIONS: "many" is not a whole number`},
		{"a variable that is neither", "", []string{"KITH_ACCOUNTS_PLAIN=yes"}, `KITH_ACCOUNTS_PLAIN: "yes" is neither true nor false`},
		{"all that is wrong, at once", "domain = \"a b\"\n[limits]\nsessions = 0\n", []string{"KITH_LOG_LEVEL=loud"},
			"FILE:1: domain: \"a b\" cannot be the name of a server; it should look like chat.example.org\n" +
				"FILE:3: limits.sessions: 0 is out of range; it may be 1 to 1000\n" +
				"KITH_LOG_LEVEL: log.level: \"loud\" is none of debug, info, warn, error"},
		{"an address without a port", "[listen]\nweb = \"127.0.0.1\"\n", nil,
			"FILE:2: listen.web: \"127.0.0.1\" is no address to listen on: missing port in address; it should look like :8080 or 127.0.0.1:8080"},
		{"a port with a name", "[listen]\nclients = \":xmpp\"\n", nil,
			"FILE:2: listen.clients: \":xmpp\" is no address to listen on: \"xmpp\" is not a port; it should look like :8080 or 127.0.0.1:8080"},
		{"a name to listen on", "[listen]\nclients = \"kith.example:5222\"\n", nil,
			"FILE:2: listen.clients: \"kith.example:5222\" is no address to listen on: \"kith.example\" is not an address of this machine; it should look like :8080 or 127.0.0.1:8080"},
		{"nowhere to show the app", "[listen]\nweb = \"\"\n", nil,
			"FILE:2: listen.web: \"\" is no address to listen on: missing port in address; it should look like :8080 or 127.0.0.1:8080"},
		{"links without encryption", "[web]\nurl = \"http://kith.example\"\n", nil,
			"FILE:2: web.url: \"http://kith.example\" is without encryption, and browsers refuse such an app anywhere but on localhost; put a proxy with https in front"},
		{"links below a path", "[web]\nurl = \"https://example.org/chat\"\n", nil,
			"FILE:2: web.url: \"https://example.org/chat\" is more than a name and a port; the app needs the whole of a name for itself"},
		{"links that are none", "[web]\nurl = \"kith.example\"\n", nil,
			"FILE:2: web.url: \"kith.example\" is no address of a web page; it should look like https://chat.example.org"},
		{"a proxy by name", "[web]\ntrusted_proxies = [\"proxy\"]\n", nil,
			"FILE:2: web.trusted_proxies: \"proxy\" is neither an address like 127.0.0.1 nor a network like 10.1.0.0/16"},
		{"proxies everywhere", "[web]\ntrusted_proxies = [\"10.0.0.0/8\", \"0.0.0.0/0\"]\n", nil,
			"FILE:2: web.trusted_proxies: \"0.0.0.0/0\" is so wide that visitors could say anything of themselves; name the addresses of the proxies"},
		{"proxies everywhere, by IPv6", "", []string{"KITH_WEB_TRUSTED_PROXIES=::/0"},
			"KITH_WEB_TRUSTED_PROXIES: web.trusted_proxies: \"::/0\" is so wide that visitors could say anything of themselves; name the addresses of the proxies"},
		{"half of everywhere", "[web]\ntrusted_proxies = [\"128.0.0.0/1\"]\n", nil,
			"FILE:2: web.trusted_proxies: \"128.0.0.0/1\" is so wide that visitors could say anything of themselves; name the addresses of the proxies"},
		{"metrics for everybody", "[listen]\nmetrics = \":9464\"\n", nil,
			"FILE:2: listen.metrics: \":9464\" can be reached from elsewhere, and profiles are for this machine only; it should look like 127.0.0.1:9464"},
		{"metrics for the neighbours", "[listen]\nmetrics = \"10.0.0.1:9464\"\n", nil,
			"FILE:2: listen.metrics: \"10.0.0.1:9464\" can be reached from elsewhere, and profiles are for this machine only; it should look like 127.0.0.1:9464"},
		{"metrics without a port", "[listen]\nmetrics = \"localhost\"\n", nil,
			"FILE:2: listen.metrics: \"localhost\" is no address to listen on; it should look like 127.0.0.1:9464"},
		{"components for everybody", component + "[listen]\ncomponents = \":5347\"\n", nil,
			"FILE:6: listen.components: \":5347\" may be reached from everywhere, and there is no TLS; it should look like 127.0.0.1:5347"},
		{"components without a port", component + "[listen]\ncomponents = \"localhost\"\n", nil,
			"FILE:6: listen.components: \"localhost\" is no address to listen on; it should look like 127.0.0.1:5347"},
		{"a component that is the server", "[[components]]\ndomain = \"localhost\"\nsecret = \"0123456789abcdef\"\n", nil,
			"FILE:1: components: \"localhost\" is taken already, by the server or another component"},
		{"two components with one domain", component + component, nil,
			"FILE:1: components: \"irc.example\" is taken already, by the server or another component"},
		{"a component without a domain", "[[components]]\nsecret = \"0123456789abcdef\"\n", nil,
			"FILE:1: components: \"\" cannot be a domain; it should look like irc.example.org"},
		{"a component with a short secret", "[[components]]\ndomain = \"irc.example\"\nsecret = \"0123456789abcde\"\n", nil,
			"FILE:1: components: the secret of \"irc.example\" is shorter than 16 characters"},
		{"files that are too small", "[files]\nmax_size = 999\n", nil,
			"FILE:2: files.max_size: 999 is out of range; it may be 1000000 to 10737418240"},
		{"a day that is too short for a file", "[files]\nper_day = 2000000\n", nil,
			"FILE:2: files.per_day: 2000000 is out of range; it may be 104857616 to 1125899906842624"},
		{"a certificate without its key", "[tls]\ncertificate = \"a.pem\"\n", nil, "FILE:2: tls.certificate: needs tls.key beside it"},
		{"stanzas that are too short", "[limits]\nstanza = 9999\n", nil, "FILE:2: limits.stanza: 9999 is out of range; it may be 10000 to 4194304"},
		{"too few rounds", "[accounts]\niterations = 1000\n", nil, "FILE:2: accounts.iterations: 1000 is out of range; it may be 4096 to 10000000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := write(t, tt.text)
			_, err := Load(file, tt.environ)
			if err == nil {
				t.Fatal("was accepted")
			}
			if got := strings.ReplaceAll(err.Error(), file, "FILE"); got != tt.want {
				t.Errorf("error\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestLoadOfAFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := Load(filepath.Join(t.TempDir(), "none.toml"), nil); err == nil {
		t.Error("a file that was named and is not there was accepted")
	}
	if c, err := Load("", nil); err != nil || c.File != "" {
		t.Errorf("without a file: %q, %v", c.File, err)
	}
}

func TestProxies(t *testing.T) {
	t.Parallel()
	got := Web{TrustedProxies: []string{"127.0.0.1", "10.1.2.3/16", "::1"}}.Proxies()
	want := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("::1/128")}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestLogHandler(t *testing.T) {
	t.Parallel()
	tests := []struct{ level, format, want string }{
		{"info", "text", "level=INFO msg=hello n=1\n"},
		{"debug", "json", `"level":"INFO","msg":"hello","n":1}` + "\n"},
		{"warn", "text", ""},
	}
	for _, tt := range tests {
		var b strings.Builder
		slog.New(Log{Level: tt.level, Format: tt.format}.Handler(&b)).Info("hello", "n", 1)
		if got := b.String(); !strings.HasSuffix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s, %s: %q, want …%q", tt.level, tt.format, got, tt.want)
		}
	}
}

// Where people can be reached is said in URIs (XEP-0157 §3).
func TestContact(t *testing.T) {
	t.Parallel()
	for _, a := range []string{"mailto:abuse@example.org", "xmpp:juliet@example.org", "xmpp:juliet@example.org?message", "https://example.org/help", "tel:+41-1"} {
		if _, err := Load(write(t, "[contact]\nabuse = [\""+a+"\"]\n"), nil); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{"abuse@example.org", "", "example.org", "https://", "xmpp:", "/help", "a b:c d%"} {
		if _, err := Load(write(t, "[contact]\nstatus = [\""+a+"\"]\n"), nil); err == nil || !strings.Contains(err.Error(), "contact.status") {
			t.Errorf("%q: got %v", a, err)
		}
	}
}
