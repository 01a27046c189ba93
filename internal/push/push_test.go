// SPDX-License-Identifier: Apache-2.0

package push

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// A world is a service on a database, with accounts.
type world struct {
	*Service
	t    *testing.T
	path string
	db   *db.DB

	mu    sync.Mutex
	clock time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "kith.db"), clock: time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC)}
	w.open()
	return w
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(time.Millisecond)
	return w.clock
}

// open is a start of the server.
func (w *world) open() {
	w.t.Helper()
	w.db = dbtest.Open(w.t, w.path, account.Schema(), Schema())
	w.Service = New(w.db, Options{Now: w.now})
	if err := w.Load(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// restart stops the server in good order, and starts it.
func (w *world) restart() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	cancel()
	if err := w.Run(ctx); err != nil {
		w.t.Fatal(err)
	}
	if err := w.db.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

func (w *world) write(f func(*db.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(context.Background(), f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) account(name string) int64 {
	w.t.Helper()
	keys, err := keyfile.Load(w.path + ".key")
	if err != nil {
		w.t.Fatal(err)
	}
	s := account.New(w.db, account.Options{Domain: "kith.example", Keys: keys, Iterations: 1})
	p, err := s.Password(name, "correct horse battery")
	if err != nil {
		w.t.Fatal(err)
	}
	var a account.Account
	w.write(func(tx *db.Tx) error {
		a, err = s.Create(tx, name, p, account.User)
		return err
	})
	return a.ID
}

func (w *world) enable(owner int64, client string, k Kind, service, node string) Registration {
	w.t.Helper()
	r := Registration{Owner: owner, Client: client, Kind: k, Service: service, Node: node, Detail: "detail of " + client}
	w.write(func(tx *db.Tx) (err error) {
		r, err = w.Enable(tx, r)
		return err
	})
	return r
}

// list is what an account has, as "client kind service node".
func (w *world) list(owner int64) string {
	var list []string
	for _, r := range w.Of(owner) {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Client, r.Kind, r.Service, r.Node)))
	}
	return strings.Join(list, ", ")
}

// same fails the test where memory and store differ.
func (w *world) same(owner int64) {
	w.t.Helper()
	var stored []Registration
	w.write(func(tx *db.Tx) (err error) {
		stored, err = w.of(tx, owner)
		return err
	})
	opts := cmp.Options{cmp.AllowUnexported(Registration{}), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b jid.JID) bool { return a == b }),
		cmpopts.IgnoreFields(Registration{}, "Sent", "Failed", "Failures", "Error", "refused"), cmpopts.EquateApproxTime(time.Microsecond)}
	if diff := cmp.Diff(stored, w.Of(owner), opts); diff != "" {
		w.t.Errorf("what is stored is not what is remembered: %s", diff)
	}
}

func TestEnable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	juliet, romeo := w.account("juliet"), w.account("romeo")
	first := w.enable(juliet, "phone", App, "push.example", "1")
	w.enable(juliet, "desk", Web, "https://push.example/a", "")
	w.enable(romeo, "phone", App, "push.example", "1")
	if got, want := w.list(juliet), "phone xep0357 push.example 1, desk web https://push.example/a"; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}

	again := w.enable(juliet, "phone", App, "push.example", "1")
	if again.ID != first.ID || !again.Since.After(first.Since) {
		t.Error("one that is enabled again is another one")
	}
	next := w.enable(juliet, "phone", App, "push.example", "2")
	if next.ID == first.ID {
		t.Error("another one has the id of the first")
	}
	w.enable(juliet, "phone", Web, "https://push.example/b", "") // another kind
	if got, want := w.list(juliet), "desk web https://push.example/a, phone xep0357 push.example 2, phone web https://push.example/b"; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	w.enable(juliet, "tablet", App, "push.example", "2") // who has lost its id
	w.enable(juliet, "desk2", Web, "https://push.example/a", "")
	if got, want := w.list(juliet), "phone web https://push.example/b, tablet xep0357 push.example 2, desk2 web https://push.example/a"; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	if got := w.list(romeo); got != "phone xep0357 push.example 1" {
		t.Errorf("another account has %s", got)
	}
	w.same(juliet)

	err := w.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := w.Enable(tx, Registration{Owner: 12345, Client: "c", Kind: App, Service: "s"})
		return err
	})
	if !errors.Is(err, ErrUnknown) {
		t.Errorf("for nobody: %v", err)
	}
}

func TestTooMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	juliet := w.account("juliet")
	var removed []string
	w.OnRemove(func(r Registration) { removed = append(removed, r.Client) }) // on the writer's goroutine, and read after a write
	for i := range 7 {
		w.enable(juliet, fmt.Sprint("a", i), App, "push.example", fmt.Sprint(i))
	}
	w.enable(juliet, "a2", App, "push.example", "2") // the newest now
	w.enable(juliet, "a7", App, "push.example", "7")
	for i := range 12 {
		w.enable(juliet, fmt.Sprint("w", i), Web, fmt.Sprint("https://push.example/", i), "")
	}
	if want := []string{"a0", "a1", "a3", "w0", "w1"}; !slices.Equal(removed, want) {
		t.Errorf("removed %v, want %v", removed, want)
	}
	if n := len(w.Of(juliet)); n != 15 {
		t.Errorf("there are %d", n)
	}
	w.same(juliet)
}

func TestDisable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	juliet := w.account("juliet")
	for i, client := range []string{"a", "b", "c"} {
		w.enable(juliet, client, App, "push.example", fmt.Sprint(i))
		w.enable(juliet, client, Web, fmt.Sprint("https://push.example/", i), "")
	}
	w.write(func(tx *db.Tx) error {
		n, err := w.Disable(tx, juliet, func(r Registration) bool { return r.Node == "1" })
		if n != 1 {
			t.Errorf("%d were disabled", n)
		}
		return err
	})
	w.write(func(tx *db.Tx) error { return w.Forget(tx, juliet, "a") })
	if got, want := w.list(juliet), "b web https://push.example/1, c xep0357 push.example 2, c web https://push.example/2"; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	w.ForgetOthers(juliet, "c", "d")
	w.write(func(*db.Tx) error { return nil }) // behind it
	if got, want := w.list(juliet), "c xep0357 push.example 2, c web https://push.example/2"; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	w.same(juliet)

	// An act that fails leaves everything as it was.
	err := w.db.Write(t.Context(), func(tx *db.Tx) error {
		if err := w.Forget(tx, juliet, "c"); err != nil {
			return err
		}
		return errors.New("no")
	})
	if err == nil || len(w.Of(juliet)) != 2 {
		t.Errorf("after an act that failed: %v, %s", err, w.list(juliet))
	}
	w.AccountGone(juliet)
	if got := w.list(juliet); got != "" {
		t.Errorf("the account is gone, and has %s", got)
	}
}

// Registrations, and how well they work, are there after a restart.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	juliet := w.account("juliet")
	a := w.enable(juliet, "a", App, "push.example", "1")
	var b Registration
	w.write(func(tx *db.Tx) (err error) {
		b, err = w.Enable(tx, Registration{Owner: juliet, Client: "b", Kind: Web, Service: "https://push.example/1", Detail: "{}",
			Wants: WantCalls, Muted: []jid.JID{jid.MustParse("mercutio@kith.example"), jid.MustParse("tybalt@kith.example")}})
		return err
	})
	w.sent(a)
	w.failed(b, &Failure{Reason: "busy", Later: true})
	w.failed(b, &Failure{Reason: "refused", Refused: true})
	before := slices.Clone(w.Of(juliet))
	w.restart()
	opts := cmp.Options{cmp.AllowUnexported(Registration{}), cmp.Comparer(func(a, b jid.JID) bool { return a == b }),
		cmpopts.EquateApproxTime(time.Microsecond)}
	if diff := cmp.Diff(before, w.Of(juliet), opts); diff != "" {
		t.Error(diff)
	}
	if c := w.enable(juliet, "c", App, "push.example", "3"); c.ID <= b.ID {
		t.Error("an id is given twice")
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	juliet := w.account("juliet")
	r := w.enable(juliet, "a", App, "push.example", "1")
	get := func() Registration {
		t.Helper()
		r, ok := w.Get(juliet, r.ID)
		if !ok {
			t.Fatal("it is gone")
		}
		return r
	}
	if !w.Live(juliet, "a") || w.Live(juliet, "b") || w.Live(juliet+1, "a") || !w.Wakes(juliet) || w.Wakes(juliet+1) {
		t.Error("who can be woken is wrong")
	}
	for range 40 {
		w.failed(r, &Failure{Reason: "unreachable", Later: true}) // a service that is away is no reason
	}
	if got := get(); got.Failures != 40 || got.Error != "unreachable" || got.Failed.IsZero() || !got.Sent.IsZero() || w.Live(juliet, "a") || w.Wakes(juliet) {
		t.Errorf("after failures: %+v", got)
	}
	w.sent(r)
	if got := get(); got.Failures != 0 || got.Error != "" || !got.Failed.IsZero() || got.Sent.IsZero() || !w.Live(juliet, "a") {
		t.Errorf("after success: %+v", got)
	}
	for range 15 {
		w.failed(r, &Failure{Reason: "item-not-found", Refused: true})
	}
	w.sent(r)
	for range 15 {
		w.failed(r, &Failure{Reason: "item-not-found", Refused: true})
	}
	w.enable(juliet, "a", App, "push.example", "1") // which is a new beginning, too
	for range 15 {
		w.failed(r, &Failure{Reason: "item-not-found", Refused: true})
	}
	get()
	w.failed(r, &Failure{Reason: "item-not-found", Refused: true}) // XEP-0357 §7.1
	w.write(func(*db.Tx) error { return nil })
	if got := w.list(juliet); got != "" {
		t.Errorf("after 16 refusals there is %s", got)
	}
	r = w.enable(juliet, "a", Web, "https://push.example/1", "")
	w.failed(r, &Failure{Reason: "gone", Gone: true})
	w.write(func(*db.Tx) error { return nil })
	if got := w.list(juliet); got != "" {
		t.Errorf("what is gone is there: %s", got)
	}
	w.failed(r, &Failure{Reason: "gone", Gone: true}) // a second answer, late
	w.write(func(*db.Tx) error { return nil })
	w.same(juliet)
	if n := w.Counters().Removed.Of("web", "gone").Value(); n != 1 {
		t.Errorf("it was removed %d times", n)
	}
}

func TestTakes(t *testing.T) {
	t.Parallel()
	chat := jid.MustParse("romeo@kith.example")
	app, web := Registration{Kind: App, Service: "push.example"}, Registration{Kind: Web, Service: "https://fcm.googleapis.com/1"}
	apple := Registration{Kind: Web, Service: "https://web.push.apple.com/1"}
	calls := Registration{Kind: Web, Wants: WantCalls}
	muted := Registration{Kind: Web, Muted: []jid.JID{chat}}
	message, call, request := Notice{Kind: Message, Chat: chat}, Notice{Kind: Call, Chat: chat}, Notice{Kind: Request, Chat: chat}
	missed, answered := Notice{Kind: CallEnd, Chat: chat, Reason: Retracted}, Notice{Kind: CallEnd, Chat: chat, Reason: Accepted}
	test, wake := Notice{Kind: Test}, Notice{Kind: Wake}
	for _, c := range []struct {
		name string
		r    Registration
		not  []Notice
	}{
		{"app", app, []Notice{missed, answered}},
		{"web", web, []Notice{wake}},
		{"apple", apple, []Notice{answered, wake}},
		{"calls only", calls, []Notice{message, request, wake}},
		{"muted", muted, []Notice{message, call, request, missed, answered, wake}},
	} {
		for _, n := range []Notice{message, call, request, missed, answered, test, wake} {
			want := !slices.ContainsFunc(c.not, func(x Notice) bool { return x.Kind == n.Kind && x.Reason == n.Reason })
			if got := c.r.Takes(n); got != want {
				t.Errorf("%s takes %s %s: %v", c.name, n.Kind, n.Reason, got)
			}
		}
	}
}
