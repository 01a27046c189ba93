// SPDX-License-Identifier: Apache-2.0

// Package routertest is a world for tests of what happens in routers: accounts, contacts and archives in a real
// database, the features that speak for them, and devices that are not more than a session. A world has one router, or
// two that carry each other's packets badly: some are lost, some come twice, some late (Each runs a test in both).
//
// It runs in a synctest bubble: Settle waits until nothing moves any more, so what a device has by then is all.
package routertest

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/blocklist"
	"github.com/kith-im/kith/internal/capability"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/feature/avatar"
	"github.com/kith-im/kith/internal/feature/blocking"
	"github.com/kith-im/kith/internal/feature/bookmarks"
	"github.com/kith-im/kith/internal/feature/caps"
	"github.com/kith-im/kith/internal/feature/carbons"
	"github.com/kith-im/kith/internal/feature/clients"
	"github.com/kith-im/kith/internal/feature/csi"
	"github.com/kith-im/kith/internal/feature/displayed"
	"github.com/kith-im/kith/internal/feature/mam"
	"github.com/kith-im/kith/internal/feature/pep"
	"github.com/kith-im/kith/internal/feature/ping"
	"github.com/kith-im/kith/internal/feature/presence"
	privately "github.com/kith-im/kith/internal/feature/private"
	"github.com/kith-im/kith/internal/feature/reporting"
	"github.com/kith-im/kith/internal/feature/roster"
	"github.com/kith-im/kith/internal/feature/vcard"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/private"
	registrations "github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/report"
	"github.com/kith-im/kith/internal/seen"
	"github.com/kith-im/kith/internal/sleeper"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Domain is that of every address in a world.
const Domain = "kith.example"

// A World is one or two routers with what they need.
type World struct {
	T        *testing.T
	DB       *db.DB
	Accounts *account.Service
	Contacts *contact.Service
	Archive  *archive.Archive
	Sleepers *sleeper.Service
	Items    *item.Service
	Push     *registrations.Service
	Blocks   *blocklist.Service
	Reports  *report.Service
	Routers  []*router.Router

	// SignedOut are the clients that were signed out.
	SignedOut []clients.SignedOut

	cancel context.CancelFunc
	wg     sync.WaitGroup
	ids    int
	abroad *abroad

	browsers sync.Map // of *Browser, by endpoint
}

// Each runs f in a world of one router, and in one of two.
func Each(t *testing.T, f func(w *World)) { each(t, false, f) }

// EachAbroad is Each for worlds whose routers reach other domains: Sent returns what they sent there.
func EachAbroad(t *testing.T, f func(w *World)) { each(t, true, f) }

func each(t *testing.T, federated bool, f func(w *World)) {
	for n := 1; n <= 2; n++ {
		t.Run(fmt.Sprintf("routers=%d", n), func(t *testing.T) {
			t.Parallel()
			path := t.TempDir() + "/kith.db"
			synctest.Test(t, func(t *testing.T) {
				var a *abroad
				if federated {
					a = &abroad{}
				}
				w := open(t, path, n, a)
				f(w)
				w.Close()
			})
		})
	}
}

// Open makes a world on the database at path, as after a start of the server. It belongs into a bubble, and is closed in
// it.
func Open(t *testing.T, path string, routers int) *World {
	t.Helper()
	return open(t, path, routers, nil)
}

func open(t *testing.T, path string, routers int, remote *abroad) *World {
	t.Helper()
	w := &World{T: t, abroad: remote}
	w.DB = dbtest.Open(t, path, account.Schema(), contact.Schema(), archive.Schema(), sleeper.Schema(), seen.Schema(),
		item.Schema(), private.Schema(), capability.Schema(), registrations.Schema(), blocklist.Schema(), report.Schema())
	keys, err := keyfile.Load(path + ".key")
	if err != nil {
		t.Fatal(err)
	}
	w.Accounts = account.New(w.DB, account.Options{Domain: Domain, Keys: keys, Iterations: 1})
	w.Contacts = contact.New(w.DB, contact.Options{})
	w.Archive = archive.New(w.DB, time.Now)
	w.Sleepers = sleeper.New(w.DB, sleeper.Options{})
	w.Items = item.New(w.DB, item.Options{})
	w.Blocks = blocklist.New(w.DB)
	w.Reports = report.New(w.DB, report.Options{})
	known := capability.New(w.DB, capability.Options{})
	w.Push = registrations.New(w.DB, registrations.Options{})
	if err := w.Push.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Archive.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	for i := range routers {
		o := router.Options{
			Domain: jid.MustParse(Domain), DB: w.DB, Store: w.Archive, Accounts: w.Accounts, Counts: w.Sleepers,
			Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		}
		c := &carrier{world: w, me: i, count: routers, chance: rand.New(rand.NewPCG(1, uint64(i)))}
		if routers > 1 {
			o.Peers = c
		}
		if remote != nil {
			o.Remote = remote
		}
		r := router.New(o)
		peace := blocking.Install(r, blocking.Options{DB: w.DB, Log: o.Log, List: w.Blocks,
			Reports: reporting.Install(r, o.Log, w.Archive, w.Reports)})
		w.Blocks.OnChange(func(c blocklist.Change) {
			if w.home(c.Owner.JID) == i {
				peace.Changed(c)
			}
		})
		capabilities := caps.Install(r, o.Log, known)
		var list *roster.Roster
		p := presence.Install(r, o.Log, w.Contacts, seen.New(w.DB, seen.Options{}),
			func(d *router.Device) bool { return list.Interested(d) })
		p.Respect(w.Blocks)
		peace.Presence = p
		list = roster.Install(r, w.DB, o.Log, w.Contacts, p)
		w.Contacts.OnChange(func(c contact.Change) {
			if w.home(c.Owner.JID) == i {
				list.Changed(c)
			}
		})
		pubsub := pep.Install(r, pep.Options{DB: w.DB, Log: o.Log, Items: w.Items, Contacts: w.Contacts, Caps: capabilities, Known: known})
		p.Introduce(pubsub.Probe)
		w.Items.OnChange(func(c item.Change) {
			if w.home(c.Owner.JID) == i {
				pubsub.Changed(c)
			}
		})
		own := private.New(w.DB, private.Options{})
		pictures := avatar.Install(r, avatar.Options{Log: o.Log, Items: w.Items, May: pubsub.May, Again: p.Again})
		vcard.Install(r, vcard.Options{DB: w.DB, Items: w.Items, Beside: own, Contacts: w.Contacts, Avatars: pictures, May: pubsub.May})
		marks := bookmarks.Install(r, bookmarks.Options{DB: w.DB, Log: o.Log, Items: w.Items, Beside: own})
		w.Items.OnChange(func(c item.Change) {
			if w.home(c.Owner.JID) == i {
				pictures.Changed(c)
				marks.Changed(c)
			}
		})
		privately.Install(r, privately.Options{DB: w.DB, Store: own, Contacts: w.Contacts,
			Keepers: map[xmlstream.Name]privately.Keeper{bookmarks.Name(): marks}})
		displayed.Install(r, w.Items)
		mam.Install(r, w.Archive, w.Contacts)
		carbons.Install(r)
		if err := w.installPush(ctx, r, i, keys); err != nil {
			t.Fatal(err)
		}
		ping.Install(r)
		clients.Install(r, clients.Options{DB: w.DB, Accounts: w.Accounts, Now: time.Now, Forget: w.forget})
		w.Routers = append(w.Routers, r)
	}
	for _, r := range w.Routers {
		w.wg.Go(func() { r.Run(ctx) })
	}
	w.wg.Go(func() { w.Push.Run(ctx) })
	for _, r := range w.Routers {
		if err := r.Start(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// forget notes who was signed out. It runs on the writer's goroutine.
func (w *World) forget(tx *db.Tx, c clients.SignedOut) error {
	tx.After(func() { w.SignedOut = append(w.SignedOut, c) })
	return nil
}

// Close stops the world in good order; its database is closed with the test.
func (w *World) Close() {
	w.T.Helper()
	for _, r := range w.Routers {
		if err := r.Close(context.Background()); err != nil {
			w.T.Error(err)
		}
	}
	w.Crash()
}

// Crash stops the world where it stands: nothing is saved, nobody is told. What was committed stays.
func (w *World) Crash() {
	w.cancel()
	w.wg.Wait()
	if err := w.DB.Close(); err != nil {
		w.T.Error(err)
	}
}

// Account makes an account where there is none, and returns its id.
func (w *World) Account(name string) int64 {
	w.T.Helper()
	a, err := w.Accounts.Lookup(context.Background(), name)
	if err == nil {
		return a.ID
	}
	p, err := w.Accounts.Password(name, "correct horse battery")
	if err != nil {
		w.T.Fatal(err)
	}
	err = w.DB.Write(context.Background(), func(tx *db.Tx) (err error) {
		a, err = w.Accounts.Create(tx, name, p, account.User)
		return err
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return a.ID
}

// Friends makes accounts contacts of each other, both ways.
func (w *World) Friends(a, b string) {
	w.T.Helper()
	x := contact.Owner{ID: w.Account(a), JID: address(a)}
	y := contact.Owner{ID: w.Account(b), JID: address(b)}
	if err := w.DB.Write(context.Background(), func(tx *db.Tx) error { return w.Contacts.MakeMutual(tx, x, y) }); err != nil {
		w.T.Fatal(err)
	}
}

func address(name string) jid.JID { return jid.MustParse(name + "@" + Domain) }

// home is the router that runs the turn of an account.
func (w *World) home(bare jid.JID) int {
	h := fnv.New32a()
	h.Write([]byte(bare.String()))
	return int(h.Sum32()) % len(w.Routers)
}

// Settle waits until nothing moves any more, on the wire or off it.
func (w *World) Settle() {
	synctest.Wait()
	if len(w.Routers) > 1 {
		time.Sleep(10 * time.Second) // the bubble's clock: lost packets come again
		synctest.Wait()
	}
}

// abroad is router.Remote: it keeps what goes to other domains.
type abroad struct {
	mu   sync.Mutex
	sent []*stanza.Stanza
}

func (a *abroad) Send(st *stanza.Stanza) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent = append(a.sent, st)
}

// Sent returns what was sent to other domains since the last call, in a world of EachAbroad.
func (w *World) Sent() []*stanza.Stanza {
	w.abroad.mu.Lock()
	defer w.abroad.mu.Unlock()
	sent := w.abroad.sent
	w.abroad.sent = nil
	return sent
}

// Receive has a stanza come in from another domain; in it, addresses are written as in Sendf.
func (w *World) Receive(format string, args ...any) {
	w.T.Helper()
	w.Routers[0].Route(w.Parse(spell(format, args...)))
}

// A carrier is router.Peers between the routers of a world.
type carrier struct {
	world     *World
	me, count int

	mu     sync.Mutex
	chance *rand.Rand
}

func (c *carrier) Home(bare jid.JID) router.Node {
	if h := c.world.home(bare); h != c.me {
		return router.Node(fmt.Sprint(h))
	}
	return ""
}

// Send loses every eighth packet, sends every eighth twice, and delays some.
func (c *carrier) Send(to router.Node, p router.Packet) {
	var n int
	fmt.Sscan(string(to), &n)
	c.mu.Lock()
	dice, wait := c.chance.IntN(8), time.Duration(c.chance.IntN(3))*time.Millisecond
	c.mu.Unlock()
	from := router.Node(fmt.Sprint(c.me))
	after := func(d time.Duration) {
		c.world.wg.Go(func() { // no AfterFunc, of which the race detector in a bubble makes too much
			time.Sleep(d)
			c.world.Routers[n].Receive(from, p)
		})
	}
	switch dice {
	case 0:
	case 1:
		after(wait)
		after(2 * wait)
	default:
		after(wait)
	}
}

// A Device is a bound session whose client is the test.
type Device struct {
	JID jid.JID

	w       *World
	session *session.Session
	binding *router.Binding
	wire    *wire
	deaf    bool
}

// wire is the stream of a device: it keeps what is written.
type wire struct {
	mu   sync.Mutex
	got  []*stanza.Stanza
	raw  []string
	fail bool
}

func (x *wire) Write(raw xmlstream.Raw) error { return x.WriteStanzas(nil, raw) }

func (x *wire) WriteStanzas(list []*stanza.Stanza, extra ...xmlstream.Raw) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.fail {
		return fmt.Errorf("the wire is cut")
	}
	x.got = append(x.got, list...)
	for _, r := range extra {
		x.raw = append(x.raw, string(r))
	}
	return nil
}

func (x *wire) SetWriteDeadline(time.Time) error { return nil }

func (x *wire) Cut() {
	x.mu.Lock()
	x.fail = true
	x.mu.Unlock()
}

// Bind binds a device, "romeo/desk", on the router that is not its account's home where there are two. Its account is
// made where there is none.
func (w *World) Bind(full string) *Device { return w.BindWith(full, "", session.ClientCredit()) }

// BindWith is Bind with a client id and a credit.
func (w *World) BindWith(full, client string, c session.Credit) *Device {
	w.T.Helper()
	name, resource, _ := strings.Cut(full, "/")
	w.Account(name)
	j, err := address(name).WithResource(resource)
	if err != nil {
		w.T.Fatal(err)
	}
	w.ids++
	d := &Device{JID: j, w: w, wire: &wire{}}
	d.session = session.New(fmt.Sprint("s", w.ids), j, client, d.wire, c, d.kicked)
	r := w.Routers[(w.home(j.Bare())+1)%len(w.Routers)]
	d.session.Weigh(csi.Weigh)
	if d.binding, err = r.Bind(context.Background(), d.session, ""); err != nil {
		w.T.Fatalf("bind %s: %v", full, err)
	}
	d.session.Start()
	return d
}

// kicked is what the client does that the server ends.
func (d *Device) kicked(*session.Kick) {
	if !d.deaf {
		d.Leave()
	}
}

// Come binds a device and makes it available with a priority.
func (w *World) Come(full string, priority int) *Device {
	w.T.Helper()
	d := w.Bind(full)
	d.Sendf(`<presence><priority>%d</priority></presence>`, priority)
	w.Settle()
	d.Take()
	return d
}

// Manage turns on stream management: from then on the device has taken what Ack says.
func (d *Device) Manage() { d.session.Enable("") }

// Resumable is Manage for a device that may Sleep and Resume.
func (d *Device) Resumable() { d.session.EnableResumption("", session.KeyOf(d.session.ID)) }

// Count is what the store would tell its client after a crash; false where it knows nothing.
func (d *Device) Count() (h uint32, ok bool) {
	d.w.T.Helper()
	h, ok, err := d.w.Sleepers.Count(context.Background(), session.KeyOf(d.session.ID), d.w.Account(d.JID.Local()))
	if err != nil {
		d.w.T.Fatal(err)
	}
	return h, ok
}

// Sleep takes the device's connection away. It fails the test where the session may not sleep.
func (d *Device) Sleep() {
	d.w.T.Helper()
	if !d.session.Detach(d.kicked) {
		d.w.T.Fatalf("%v does not sleep", d.JID)
	}
	d.binding.Sleeps()
}

// Resume gives it another one, on which it says to have taken h stanzas; it reports whether the session goes on.
func (d *Device) Resume(h uint32) bool {
	d.w.T.Helper()
	x := &wire{}
	if err := d.session.Attach(x, h, d.kicked); err != nil {
		return false
	}
	d.wire = x
	d.binding.Wakes()
	d.session.Start()
	return true
}

// SetIdle says that nobody looks at the device, or that somebody does (XEP-0352 §4.2).
func (d *Device) SetIdle(idle bool) {
	d.session.SetIdle(idle)
	d.binding.SetIdle(idle)
}

// Patience is how long the device may sleep.
func (d *Device) Patience() (wait time.Duration) {
	d.binding.Patience(func(p time.Duration) { wait = p })
	d.w.Settle()
	return wait
}

// Doze has a sleeping device sleep for long.
func (d *Device) Doze() { d.binding.Dozes() }

// Ack acknowledges stanzas up to the h-th.
func (d *Device) Ack(h uint32) {
	if err := d.session.Acknowledged(h); err != nil {
		d.w.T.Error(err)
	}
}

// H is what the server would acknowledge now.
func (d *Device) H() uint32 { return d.session.H() }

// Parse reads a stanza.
func (w *World) Parse(raw string) *stanza.Stanza {
	w.T.Helper()
	el, err := xmlstream.Parse(raw, xmlstream.AfterAuth)
	if err != nil {
		w.T.Fatalf("%s: %v", raw, err)
	}
	st, err := stanza.Parse(el)
	if err != nil {
		w.T.Fatalf("%s: %v", raw, err)
	}
	return st
}

// Sendf sends a stanza; in it, @ at the end of a name stands for the domain: to="juliet@".
func (d *Device) Sendf(format string, args ...any) {
	d.w.T.Helper()
	d.Send(d.w.Parse(spell(format, args...)))
}

// spell writes addresses of the domain in full.
func spell(format string, args ...any) string {
	return strings.NewReplacer(`@"`, `@`+Domain+`"`, `@/`, `@`+Domain+`/`).Replace(fmt.Sprintf(format, args...))
}

// Send sends a stanza. It blocks where the stream has no credit.
func (d *Device) Send(st *stanza.Stanza) {
	o := d.session.Accept(st.Size())
	if o == nil {
		return // it has left
	}
	d.binding.Enter(st.Addressed(d.JID, st.To), o)
}

// Take returns what the device was sent since the last call.
func (d *Device) Take() []*stanza.Stanza {
	d.wire.mu.Lock()
	defer d.wire.mu.Unlock()
	got := d.wire.got
	d.wire.got = nil
	return got
}

// Bodies returns the bodies of the messages among what Take returns, in order, and fails where there is anything else.
func (d *Device) Bodies() []string {
	d.w.T.Helper()
	var list []string
	for _, st := range d.Take() {
		if b, ok := st.Child(xmlstream.NSClient, "body"); ok && st.Kind == stanza.Message && st.Type != "error" {
			list = append(list, b.Text())
		} else {
			d.w.T.Errorf("%v got %s", d.JID, st.Raw())
		}
	}
	return list
}

// Cut lets what is written to the device go nowhere, as a network does that is gone.
func (d *Device) Cut() { d.wire.Cut() }

// Deaf lets the device go on when the server ends it, as one does whose stanzas are still on their way. It leaves by Leave.
func (d *Device) Deaf() { d.deaf = true }

// Leave ends the device, as a connection that is closed.
func (d *Device) Leave() { d.binding.Leave(d.session.End()) }
