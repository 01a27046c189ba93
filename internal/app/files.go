// SPDX-License-Identifier: Apache-2.0

package app

import (
	"path/filepath"
	"time"

	"github.com/kith-im/kith/internal/blob"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/httpd"
	"github.com/kith-im/kith/internal/upload"
	"github.com/kith-im/kith/internal/xmpp/component"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// uploadPath is where files are brought to and shown.
const uploadPath = "/upload/"

// openFiles opens what people send each other.
func (s *services) openFiles(c config.Config, o upload.Options) (err error) {
	if s.blobs, err = blob.Open(filepath.Join(c.Data, "files")); err != nil {
		return err
	}
	o.URL, o.Keys = c.Web.URL+uploadPath, s.keys
	o.MaxSize, o.PerDay, o.PerPerson = c.Files.MaxSize, c.Files.PerDay, c.Files.PerAccount
	o.Retention = time.Duration(c.Archive.Days) * 24 * time.Hour // a message's file goes when the message does
	s.files = upload.New(s.db, s.blobs, o)
	return nil
}

// filesMount is how files are reached.
func (s *services) filesMount(c config.Config) httpd.Mount {
	return httpd.Mount{Pattern: uploadPath, Handler: s.files.Handler(uploadPath), MaxBody: c.Files.MaxSize}
}

// components lets in the programs beside the server that are configured.
func components(r *router.Router, c config.Config, o Options, limits xmlstream.Limits) (*component.Server, error) {
	var list []component.Component
	for _, x := range c.Components {
		domain, err := jid.New("", x.Domain, "")
		if err != nil {
			return nil, err
		}
		list = append(list, component.Component{Domain: domain, Secret: x.Secret})
	}
	return component.New(component.Options{Router: r, Components: list, Limits: limits, Log: o.Log.With("pkg", "component")}), nil
}

// open lets others than accounts ask what the server is and whether it is there.
func open(r *router.Router) {
	for space, local := range map[string]string{
		"urn:xmpp:ping": "ping", "urn:xmpp:time": "time", "jabber:iq:version": "query",
		"http://jabber.org/protocol/disco#info": "query", "http://jabber.org/protocol/disco#items": "query",
	} {
		r.Open("get", space, local)
	}
}

// inner is where components connect; "" where there are none.
func inner(c config.Config) string {
	if len(c.Components) == 0 {
		return ""
	}
	return c.Listen.Components
}
