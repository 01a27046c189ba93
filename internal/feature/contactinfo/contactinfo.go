// SPDX-License-Identifier: Apache-2.0

// Package contactinfo tells where the people who run the server can be reached (XEP-0157 v1.1.1): in what service
// discovery says of the server.
package contactinfo

import "github.com/kith-im/kith/internal/xmpp/payload/form"

// Type is what the form is called that tells of a server (XEP-0157 §7.1).
const Type = "http://jabber.org/network/serverinfo"

// Addresses are URIs, such as mailto:abuse@kith.example, for what one may want of those who run a server.
type Addresses struct {
	Abuse, Admin, Feedback, Sales, Security, Status, Support []string
}

// Form returns what is told, with more fields of the same form; false where there is nothing to be told.
func Form(a Addresses, more ...form.Field) (form.Extension, bool) {
	e := form.Extension{Type: Type}
	for _, f := range []struct {
		name string
		list []string
	}{
		{"abuse-addresses", a.Abuse}, {"admin-addresses", a.Admin}, {"feedback-addresses", a.Feedback},
		{"sales-addresses", a.Sales}, {"security-addresses", a.Security}, {"status-addresses", a.Status},
		{"support-addresses", a.Support},
	} {
		if len(f.list) > 0 {
			e.Fields = append(e.Fields, form.Field{Var: f.name, Type: form.ListMulti, Values: f.list})
		}
	}
	e.Fields = append(e.Fields, more...)
	return e, len(e.Fields) > 0
}
