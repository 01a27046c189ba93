// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const nsForm = "jabber:x:data"

// Kinds of forms, by FORM_TYPE (XEP-0060 §16.4).
const (
	formConfig  = ns + "#node_config"
	formOptions = ns + "#publish-options"
	formMeta    = ns + "#meta-data"
)

// prefix is that of the names of fields.
const prefix = "pubsub#"

// A submitted form: the values of its fields by their names, and the FORM_TYPE among them.
type submitted map[string][]string

// formIn reads the form that el must have. It returns nil where there is none, and true where it is of type cancel.
func formIn(el xmlstream.Node) (f submitted, cancelled bool) {
	if x, ok := el.Child(nsForm, "x"); ok && x.Attr("type") == "cancel" {
		return submitted{}, true
	}
	return form.Lists(el), false
}

// is reports whether the form is of that FORM_TYPE, or says nothing of it.
func (f submitted) is(typ string) bool {
	t, ok := f["FORM_TYPE"]
	return !ok || slices.Equal(t, []string{typ})
}

// fixed returns the one value that a field of a Config can have here, of those that have one; "false" stands for a boolean
// field that cannot be true.
func fixed(name string) string {
	switch strings.TrimPrefix(name, prefix) {
	case "node_type":
		return "leaf"
	case "publish_model":
		return "publishers" // and that is the owner
	case "notification_type":
		return "headline"
	case "publish_node_full":
		return "retract-oldest" // XEP-0060 §7.1.2.5
	case "tempsub", "purge_offline", "presence_based_delivery", "notify_sub":
		return "false"
	}
	return ""
}

// apply changes c as the form says. It returns a stanza error where the form wants what cannot be. A field that is not known
// counts for nothing (XEP-0004 §3.2), unless strict says otherwise.
func (p *Pep) apply(c item.Config, f submitted, strict bool) (item.Config, error) {
	for name, values := range f {
		if name == "FORM_TYPE" {
			continue
		}
		value := ""
		if len(values) > 0 {
			value = values[0]
		}
		known, err := p.setField(&c, name, value, values)
		switch {
		case err != nil:
			return item.Config{}, err
		case !known && strict:
			return item.Config{}, errPrecondition
		}
	}
	return c, nil
}

// setField sets one field; false: there is no such field.
func (p *Pep) setField(c *item.Config, name, value string, values []string) (known bool, err error) {
	flag := func(to *bool) (bool, error) {
		v, ok := boolean(value)
		if !ok {
			return true, errNotAcceptable
		}
		*to = v
		return true, nil
	}
	switch strings.TrimPrefix(name, prefix) {
	case "title":
		c.Title = value
	case "description":
		c.Description = value
	case "type":
		c.Type = value
	case "access_model":
		c.Access = item.Access(value)
		if !slices.Contains(accessModels(), value) {
			return true, stanza.NotAcceptable.WithApp(condition("unsupported-access-model")) // XEP-0060 §8.1.2
		}
	case "roster_groups_allowed":
		c.Groups = nil
		for _, g := range values {
			if g != "" {
				c.Groups = append(c.Groups, g)
			}
		}
	case "max_items":
		n, err := strconv.Atoi(strings.TrimSpace(value))
		switch {
		case value == "max", err == nil && n >= p.items.Limits().Items:
			c.MaxItems = item.Max
		case err != nil || n < 1:
			return true, errNotAcceptable
		default:
			c.MaxItems = n
		}
	case "send_last_published_item":
		c.SendLast = item.Send(value)
		if !slices.Contains(occasions(), value) {
			return true, errNotAcceptable
		}
	case "persist_items":
		return flag(&c.Persist)
	case "deliver_notifications":
		return flag(&c.Deliver)
	case "deliver_payloads":
		return flag(&c.Payloads)
	case "notify_config":
		return flag(&c.NotifyConfig)
	case "notify_delete":
		return flag(&c.NotifyDelete)
	case "notify_retract":
		return flag(&c.NotifyRetract)
	default:
		return setNothing(name, value)
	}
	return true, nil
}

// setNothing is for fields that have one value only.
func setNothing(name, value string) (known bool, err error) {
	switch want := fixed(name); want {
	case "":
		return false, nil
	case value:
		return true, nil
	case "false":
		if v, ok := boolean(value); ok && !v {
			return true, nil
		}
	}
	return true, errNotAcceptable
}

// boolean reads a field of type boolean (XEP-0004 §3.3).
func boolean(s string) (v, ok bool) {
	switch strings.TrimSpace(s) {
	case "1", "true":
		return true, true
	case "0", "false":
		return false, true
	}
	return false, false
}

func accessModels() []string {
	return []string{string(item.Open), string(item.Presence), string(item.Roster), string(item.Whitelist)}
}

func occasions() []string {
	return []string{string(item.Never), string(item.OnSub), string(item.OnSubAndPresence)}
}

// fields are those of c (XEP-0060 §16.4.4).
func fields(c item.Config) []form.Field {
	flag := func(name, label string, v bool) form.Field {
		value := "0"
		if v {
			value = "1"
		}
		return form.Field{Var: prefix + name, Type: form.Boolean, Label: label, Value: value}
	}
	choice := func(name, label, value string, from ...string) form.Field {
		f := form.Field{Var: prefix + name, Type: form.ListSingle, Label: label, Value: value}
		for _, o := range from {
			f.Options = append(f.Options, form.Option{Value: o})
		}
		return f
	}
	text := func(name, label, value string) form.Field {
		return form.Field{Var: prefix + name, Label: label, Value: value}
	}
	return []form.Field{
		text("title", "A short name of the node", c.Title),
		text("description", "What the node is for", c.Description),
		text("type", "Namespace of the payloads", c.Type),
		choice("access_model", "Who may see the items", string(c.Access), accessModels()...),
		{Var: prefix + "roster_groups_allowed", Type: form.TextMulti, Label: "Groups of the contact list that may see them",
			Values: append([]string{}, c.Groups...)},
		choice("publish_model", "Who may publish", "publishers", "publishers"),
		text("max_items", "How many items are kept", maxItems(c)),
		flag("persist_items", "Keep items", c.Persist),
		choice("send_last_published_item", "When the last item is sent unasked", string(c.SendLast), occasions()...),
		flag("deliver_notifications", "Send notifications", c.Deliver),
		flag("deliver_payloads", "Send what is published along with them", c.Payloads),
		flag("notify_config", "Tell when this configuration changes", c.NotifyConfig),
		flag("notify_delete", "Tell when the node is removed", c.NotifyDelete),
		flag("notify_retract", "Tell when items are removed", c.NotifyRetract),
		choice("notification_type", "Type of the notifications", "headline", "headline"),
	}
}

// configForm is c as a form to be filled in.
func configForm(c item.Config) xmlstream.Raw { return form.New(formConfig, "", "", fields(c)...) }

func maxItems(c item.Config) string {
	if c.MaxItems == item.Max {
		return "max"
	}
	return strconv.Itoa(c.MaxItems)
}

// metadata is what service discovery tells of a node (XEP-0060 §5.4).
func metadata(owner string, n item.Node) xmlstream.Raw {
	c := n.Config
	field := func(name, typ, value string) form.Field {
		return form.Field{Var: prefix + name, Type: typ, Value: value}
	}
	return form.Result(formMeta,
		field("title", form.TextSingle, c.Title),
		field("description", form.TextSingle, c.Description),
		field("type", form.TextSingle, c.Type),
		field("creation_date", form.TextSingle, n.Created.Format(time.RFC3339)),
		field("owner", form.JIDMulti, owner),
		field("publisher", form.JIDMulti, owner),
		field("access_model", form.ListSingle, string(c.Access)),
		field("publish_model", form.ListSingle, "publishers"),
		field("max_items", form.TextSingle, maxItems(c)),
		field("num_items", form.TextSingle, strconv.Itoa(n.Items)))
}
