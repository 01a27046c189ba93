// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const nsScramUpgrade = "urn:xmpp:scram-upgrade:0"

// upgrades are the tasks of a log-in (XEP-0388 §2.6.3): the upgrades (XEP-0480 v0.2.0) that the client has asked for
// and that the account needs, in the client's order.
//
// Only who has just proved to know the password may add keys: with a token, one could else come to a password of one's
// own. What is not offered, or not needed, is passed over.
func (l *login) upgrades(ctx context.Context) ([]*account.Upgrade, error) {
	if !sasl.ByPassword(l.mechanism) {
		return nil, nil
	}
	var list []*account.Upgrade
	for _, h := range l.wanted {
		u, err := l.c.srv.Accounts.Upgrade(ctx, l.account.Name, h)
		if err != nil {
			return nil, admission(err)
		}
		if u != nil {
			list = append(list, u)
		}
	}
	return list, nil
}

// readUpgrades notes which of the upgrades that were offered the client wants (XEP-0480 §2.2).
func (l *login) readUpgrades(n xmlstream.Node) {
	for el := range n.Children() {
		if !el.Is(nsUpgrade, "upgrade") {
			continue
		}
		task := strings.TrimSpace(el.Text())
		i := slices.IndexFunc(l.c.offered.upgrades, func(h sasl.Hash) bool { return taskFor(h) == task })
		if i >= 0 && !slices.Contains(l.wanted, l.c.offered.upgrades[i]) {
			l.wanted = append(l.wanted, l.c.offered.upgrades[i])
		}
	}
}

// perform has the client do the tasks one by one. additional is what goes with the first <continue/>; it is told once, so
// what is left for <success/> is returned.
func (l *login) perform(ctx context.Context, tasks []*account.Upgrade, additional []byte) ([]byte, error) {
	for _, u := range tasks {
		l.c.continued = true
		if err := l.c.stream.Write(continueWith(additional, taskFor(u.Hash))); err != nil {
			return nil, err
		}
		additional = nil
		if err := l.upgrade(ctx, u); err != nil {
			return nil, err
		}
	}
	return additional, nil
}

// upgrade is one upgrade of SCRAM (XEP-0480 §3).
func (l *login) upgrade(ctx context.Context, u *account.Upgrade) error {
	next, err := l.element("next")
	if err != nil {
		return err
	}
	if next.Attr("task") != taskFor(u.Hash) {
		return &sasl.Error{Condition: sasl.InvalidMechanism, Text: "that task was not asked for"}
	}
	var b xmlstream.Builder
	b.Start(nsSASL2, "task-data").Start(nsScramUpgrade, "salt").Attr("iterations", strconv.Itoa(u.Iterations))
	b.Text(encode(nsSASL2, u.Salt)).End().End()
	if err := l.c.stream.Write(b.Build()); err != nil {
		return err
	}
	data, err := l.element("task-data")
	if err != nil {
		return err
	}
	hash, ok := data.Child(nsScramUpgrade, "hash")
	if !ok {
		return &sasl.Error{Condition: sasl.MalformedRequest, Text: "no hash"}
	}
	salted, err := decode(nsSASL2, hash.Text())
	if err != nil {
		return err
	}
	if len(salted) != u.Hash.Size() {
		return &sasl.Error{Condition: sasl.MalformedRequest, Text: "that is no hash of " + u.Hash.String()}
	}
	a := l.account
	err = l.c.srv.DB.Write(ctx, func(tx *db.Tx) error {
		return l.c.srv.Accounts.AddKeys(tx, a.ID, a.Password, *u, salted)
	})
	if err != nil {
		return admission(err)
	}
	l.c.log.Info("keys added", "hash", u.Hash)
	return nil
}

// element reads the next element of a task, which must have that name.
func (l *login) element(local string) (xmlstream.Node, error) {
	el, err := l.c.stream.Read()
	if err != nil {
		return xmlstream.Node{}, err
	}
	n := el.Root()
	switch {
	case n.Is(nsSASL2, local):
		return n, nil
	case n.Is(nsSASL2, "abort"): // XEP-0388 §4.5
		return xmlstream.Node{}, &sasl.Error{Condition: sasl.Aborted}
	}
	return xmlstream.Node{}, inProgress() // XEP-0388 §2.4
}

// inProgress ends a stream on which something else comes in the middle of a log-in (RFC 6120 §4.9.3.12).
func inProgress() error {
	return &stream.Error{Condition: "not-authorized", Text: "authentication is in progress"}
}

// continueWith asks for a task (XEP-0388 §2.6.3).
func continueWith(additional []byte, task string) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(nsSASL2, "continue")
	if additional != nil {
		b.Start(nsSASL2, "additional-data").Text(encode(nsSASL2, additional)).End()
	}
	b.Start(nsSASL2, "tasks").Start(nsSASL2, "task").Text(task).End().End()
	return b.End().Build()
}

// admission turns what the accounts say of who has proved who it is into what it is told.
func admission(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, account.ErrToken), errors.Is(err, account.ErrClient),
		errors.Is(err, account.ErrPassword), errors.Is(err, account.ErrUnknown): // changed since the proof
		return &sasl.Error{Condition: sasl.NotAuthorized}
	case errors.Is(err, account.ErrExpired): // XEP-0484 §4.2
		return &sasl.Error{Condition: sasl.CredentialsExpired}
	case errors.Is(err, account.ErrDisabled):
		return &sasl.Error{Condition: sasl.AccountDisabled}
	}
	return &sasl.Error{Condition: sasl.TemporaryAuthFailure, Cause: err}
}
