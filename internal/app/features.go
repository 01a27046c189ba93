// SPDX-License-Identifier: Apache-2.0

package app

import (
	"time"

	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/feature/avatar"
	"github.com/kith-im/kith/internal/feature/blocking"
	"github.com/kith-im/kith/internal/feature/bookmarks"
	"github.com/kith-im/kith/internal/feature/caps"
	"github.com/kith-im/kith/internal/feature/carbons"
	"github.com/kith-im/kith/internal/feature/clients"
	"github.com/kith-im/kith/internal/feature/commands"
	"github.com/kith-im/kith/internal/feature/disco"
	"github.com/kith-im/kith/internal/feature/displayed"
	"github.com/kith-im/kith/internal/feature/entitytime"
	"github.com/kith-im/kith/internal/feature/invites"
	"github.com/kith-im/kith/internal/feature/lastactivity"
	"github.com/kith-im/kith/internal/feature/mam"
	"github.com/kith-im/kith/internal/feature/pep"
	"github.com/kith-im/kith/internal/feature/ping"
	"github.com/kith-im/kith/internal/feature/presence"
	"github.com/kith-im/kith/internal/feature/private"
	"github.com/kith-im/kith/internal/feature/register"
	"github.com/kith-im/kith/internal/feature/reporting"
	"github.com/kith-im/kith/internal/feature/roster"
	"github.com/kith-im/kith/internal/feature/upload"
	"github.com/kith-im/kith/internal/feature/vcard"
	"github.com/kith-im/kith/internal/feature/version"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// install hangs every feature into r. The list is the table of contents of the server; within a stage of a message's
// trip, features run in this order. What it returns belongs into the stream features of who has logged in.
func install(r *router.Router, s *services, c config.Config, o Options, landing func(invite.Token) string, remove removeFunc) xmlstream.Raw {
	peace := blocking.Install(r, blocking.Options{DB: s.db, Log: o.Log.With("pkg", "blocking"), List: s.blocks,
		Reports: reporting.Install(r, o.Log.With("pkg", "reporting"), s.archive, s.reports)}) // before all that others send
	s.blocks.OnChange(peace.Changed)

	ping.Install(r)
	version.Install(r, "Kith", o.Version)
	entitytime.Install(r, time.Now)
	register.Install(r, register.Options{DB: s.db, Accounts: s.accounts, Remove: remove})
	displayed.Install(r, s.items) // before messages are recorded
	mam.Install(r, s.archive, s.contacts)
	carbons.Install(r)

	lastactivity.Install(r, s.contacts, s.seen, time.Now) // its refusals come before those of presence

	capabilities := caps.Install(r, o.Log.With("pkg", "caps"), s.known) // before presence, see there
	var list *roster.Roster
	p := presence.Install(r, o.Log.With("pkg", "presence"), s.contacts, s.seen,
		func(d *router.Device) bool { return list.Interested(d) })
	list = roster.Install(r, s.db, o.Log.With("pkg", "roster"), s.contacts, p)
	s.contacts.OnChange(list.Changed)
	p.Accept(s.signup)
	p.Respect(s.blocks)
	peace.Presence = p

	pubsub := pep.Install(r, pep.Options{DB: s.db, Log: o.Log.With("pkg", "pep"), Items: s.items, Contacts: s.contacts,
		Caps: capabilities, Known: s.known, Blocks: s.blocks, Configs: wellKnown()})
	s.items.OnChange(pubsub.Changed)
	s.contacts.OnChange(pubsub.ContactChanged)
	p.Introduce(pubsub.Probe)

	pictures := avatar.Install(r, avatar.Options{Log: o.Log.With("pkg", "avatar"), Items: s.items, May: pubsub.May, Again: p.Again})
	s.items.OnChange(pictures.Changed)
	vcard.Install(r, vcard.Options{DB: s.db, Items: s.items, Beside: s.private, Contacts: s.contacts, Avatars: pictures,
		May: pubsub.May})
	marks := bookmarks.Install(r, bookmarks.Options{DB: s.db, Log: o.Log.With("pkg", "bookmarks"), Items: s.items, Beside: s.private})
	s.items.OnChange(marks.Changed)
	private.Install(r, private.Options{DB: s.db, Store: s.private, Contacts: s.contacts,
		Keepers: map[xmlstream.Name]private.Keeper{bookmarks.Name(): marks}})

	clients.Install(r, clients.Options{DB: s.db, Accounts: s.accounts, Now: time.Now, Forget: s.signedOut})
	inv := invites.New(s.signup, s.domain.Domain(), landing)
	cmds := commands.Install(r, time.Now, append(administration(r, s, o.Log, remove),
		commands.Command{Node: invites.InviteNode, Name: invites.InviteName, May: invites.MayInvite, First: commands.Do(inv.Invite)},
		commands.Command{Node: invites.CreateNode, Name: invites.CreateName, May: invites.MayCreate,
			First: commands.Ask(invites.Form(), commands.Do(inv.Create))})...)
	about, lists := aboutServer(r, c, o.Version)
	about = append(about, upload.Install(r, s.files, s.files.MaxSize, time.Now))
	open(r)

	return disco.Install(r, s.domain.Domain(), visibility{s.contacts}, pubsub, about, append(lists, cmds)...) + roster.StreamFeatures
}

// wellKnown are nodes that are not like others where their owner says nothing of it: most of them are nobody else's
// business.
func wellKnown() map[string]item.Config {
	return map[string]item.Config{
		bookmarks.Node: bookmarks.NodeConfig(),
		bookmarks.List: bookmarks.ListConfig(),
		displayed.Node: displayed.NodeConfig(),
	}
}
