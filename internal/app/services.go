// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/removal"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/blob"
	"github.com/kith-im/kith/internal/blocklist"
	"github.com/kith-im/kith/internal/capability"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/private"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/report"
	"github.com/kith-im/kith/internal/seen"
	"github.com/kith-im/kith/internal/sleeper"
	"github.com/kith-im/kith/internal/upload"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// services are what is known, below what is said: the database and the packages that keep things in it.
type services struct {
	domain   jid.JID
	db       *db.DB
	keys     keyfile.Keys
	accounts *account.Service
	contacts *contact.Service
	archive  *archive.Archive
	upkeep   archive.Upkeep
	sleepers *sleeper.Service
	invites  *invite.Service
	seen     *seen.Service
	items    *item.Service
	private  *private.Service
	known    *capability.Service
	blocks   *blocklist.Service
	reports  *report.Service
	push     *push.Service
	blobs    *blob.Store
	files    *upload.Service
	signup   *signup.Act
	removal  *removal.Act

	unlock func()
}

// openServices opens the data folder, which it makes where there is none, and holds its lock until close.
func openServices(ctx context.Context, c config.Config, log *slog.Logger) (s *services, err error) {
	domain, err := jid.New("", c.Domain, "")
	if err != nil {
		return nil, fmt.Errorf("domain: %w", err)
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	switch info, err := os.Stat(c.Data); {
	case err != nil:
		return nil, fmt.Errorf("look at the data folder: %w", err)
	case info.Mode().Perm()&0o002 != 0:
		return nil, fmt.Errorf("everybody may write into the data folder %s; take that right from others (chmod o-w)", c.Data)
	}
	opened := &services{domain: domain}
	s = opened
	if s.unlock, err = db.Lock(c.Data); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			opened.close() // whose error would only follow from the first
		}
	}()
	if s.keys, err = keyfile.Load(filepath.Join(c.Data, "secret.key")); err != nil {
		return nil, err
	}
	if s.db, err = db.Open(ctx, db.Options{Path: filepath.Join(c.Data, "kith.db"), Log: log}); err != nil {
		return nil, err
	}
	// The accounts come first: rows of the others hang on theirs.
	err = s.db.Migrate(ctx, account.Schema(), contact.Schema(), invite.Schema(), archive.Schema(), sleeper.Schema(), seen.Schema(),
		item.Schema(), private.Schema(), capability.Schema(), blocklist.Schema(), report.Schema(), upload.Schema(), push.Schema())
	if err != nil {
		return nil, err
	}
	s.accounts = account.New(s.db, account.Options{Domain: c.Domain, Keys: s.keys, Iterations: c.Accounts.Iterations,
		NoAddresses: !c.Accounts.ClientNetworks, ClientsFor: time.Duration(c.Accounts.ClientDays) * 24 * time.Hour, Log: log})
	s.contacts = contact.New(s.db, contact.Options{})
	s.archive = archive.New(s.db, time.Now)
	s.sleepers = sleeper.New(s.db, sleeper.Options{Log: log.With("pkg", "sleeper")})
	s.invites = invite.New(s.db, invite.Options{Keys: s.keys, Log: log.With("pkg", "invite")})
	s.seen = seen.New(s.db, seen.Options{Log: log.With("pkg", "seen")})
	s.items = item.New(s.db, item.Options{})
	s.private = private.New(s.db, private.Options{})
	s.known = capability.New(s.db, capability.Options{Log: log.With("pkg", "capability")})
	s.blocks = blocklist.New(s.db)
	s.reports = report.New(s.db, report.Options{})
	s.push = push.New(s.db, push.Options{Log: log.With("pkg", "push")})
	if err := s.push.Load(ctx); err != nil {
		return nil, err
	}
	if err = s.openFiles(c, upload.Options{Log: log.With("pkg", "upload")}); err != nil {
		return nil, err
	}
	s.upkeep = upkeep(c.Archive.Days, s.seen, s.push, log)
	s.signup = &signup.Act{DB: s.db, Accounts: s.accounts, Invites: s.invites, Contacts: s.contacts, Domain: c.Domain}
	s.removal = removal.New(removal.Options{
		DB: s.db, Accounts: s.accounts, Invites: s.invites, Contacts: s.contacts, Archive: s.archive, Domain: c.Domain,
		Clear: []func(*db.Tx, int64) (int, error){s.items.Clear, s.private.Clear, s.blocks.Clear, s.files.Clear},
		Log:   log.With("pkg", "removal"),
	})
	return s, nil
}

// close closes the database and lets go of the folder.
func (s *services) close() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	if s.blobs != nil {
		err = errors.Join(err, s.blobs.Close())
	}
	s.unlock()
	return err
}

// address is the bare address of an account.
func (s *services) address(a account.Account) (jid.JID, error) {
	return jid.New(a.Name, s.domain.Domain(), "")
}

// firstAdmin returns the link for the first admin, or "" where there is an admin.
func (s *services) firstAdmin(ctx context.Context, landing func(invite.Token) string) (link string, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		has, err := s.accounts.HasAdmin(tx)
		if err != nil || has {
			return err
		}
		_, token, err := s.invites.FirstAdmin(tx)
		link = landing(token)
		return err
	})
	return link, err
}

// signUp makes accounts for the portal.
type signUp struct{ *services }

func (s signUp) SignUp(ctx context.Context, t invite.Token, name, password string) (account.Account, string, error) {
	res, err := s.signup.Do(ctx, signup.Request{Name: name, Password: password, Token: t, Code: true})
	return res.Account, res.Code, err
}

func (s signUp) Code(ctx context.Context, id int64) (code string, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		code, err = s.accounts.NewCode(tx, id)
		return err
	})
	return code, err
}

// invitations are what the portal knows of them.
type invitations struct {
	*invite.Service
	signup *signup.Act
}

// Look says also what only the accounts know: whether the inviter is still there.
func (i invitations) Look(ctx context.Context, t invite.Token) (invite.Invite, error) {
	return i.signup.Look(ctx, t)
}

// visibility tells service discovery who may look at whom.
type visibility struct{ contacts *contact.Service }

func (v visibility) Sees(ctx context.Context, owner int64, viewer string) (bool, error) {
	address, err := jid.Parse(viewer)
	if err != nil {
		return false, nil
	}
	i, err := v.contacts.Get(ctx, owner, address)
	if errors.Is(err, contact.ErrUnknown) {
		return false, nil
	}
	return i.State.Has(contact.From), err
}
