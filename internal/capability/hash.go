// SPDX-License-Identifier: Apache-2.0

package capability

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"slices"
	"strings"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsInfo = "http://jabber.org/protocol/disco#info"
	nsForm = "jabber:x:data"
)

// Checkable reports whether the key can be checked against an answer, so that what one client has answered may count for
// others (XEP-0115 §5.4 step 2).
func (k Key) Checkable() bool { return algorithm(k.Hash) != nil }

// algorithm returns the hash function of that name (XEP-0115 §9.1), or nil.
func algorithm(name string) func() hash.Hash {
	switch name {
	case "sha-1":
		return sha1.New
	case "sha-256":
		return sha256.New
	case "sha-512":
		return sha512.New
	}
	return nil
}

// verification computes the verification string of an answer (XEP-0115 §5.1). It returns false where the answer is
// ill-formed, or the algorithm not known.
func verification(name string, query xmlstream.Node) (string, bool) {
	newHash := algorithm(name)
	if newHash == nil {
		return "", false
	}
	var identities, features []string
	var forms [][]string // the FORM_TYPE, then what follows it
	for n := range query.Children() {
		switch {
		case n.Is(nsInfo, "identity"):
			identities = append(identities, strings.Join([]string{n.Attr("category"), n.Attr("type"),
				n.AttrNS(xmlstream.NSXML, "lang"), n.Attr("name")}, "/"))
		case n.Is(nsInfo, "feature"):
			features = append(features, n.Attr("var"))
		case n.Is(nsForm, "x"):
			f, ok := formOf(n)
			if !ok {
				return "", false
			}
			if f != nil {
				forms = append(forms, f)
			}
		}
	}
	slices.Sort(identities) // by octets
	slices.Sort(features)
	slices.SortFunc(forms, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	if twice(identities) || twice(features) || ambiguous(features, true) || ambiguous(identities, false) ||
		slices.ContainsFunc(forms, func(f []string) bool { return ambiguous(f, false) }) {
		return "", false // XEP-0115 §5.4 steps 3.3 and 3.4
	}
	h := newHash()
	write := func(list []string) {
		for _, s := range list {
			h.Write([]byte(s + "<"))
		}
	}
	write(identities)
	write(features)
	for i, f := range forms {
		if i > 0 && forms[i-1][0] == f[0] { // step 3.5
			return "", false
		}
		write(f)
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil)), true
}

// ambiguous reports whether the string that is hashed could as well be that of an answer by which the client wants to be told
// of something else (XEP-0115 §9.3): parts end with "<", and what is hashed does not tell features from identities and forms.
func ambiguous(parts []string, features bool) bool {
	return slices.ContainsFunc(parts, func(p string) bool {
		return strings.Contains(p, "<") || !features && strings.HasSuffix(p, notify)
	})
}

// twice reports whether a sorted list has something twice.
func twice(list []string) bool {
	for i := 1; i < len(list); i++ {
		if list[i] == list[i-1] {
			return true
		}
	}
	return false
}

// formOf returns what a form adds to the verification string: its FORM_TYPE, and of each other field the name and the
// values, in their order. It returns nil where the form does not count, and false where it is ill-formed.
func formOf(x xmlstream.Node) (list []string, ok bool) {
	type field struct {
		name   string
		values []string
	}
	var fields []field
	for n := range x.Children() {
		if !n.Is(nsForm, "field") {
			continue
		}
		f := field{name: n.Attr("var")}
		for v := range n.Children() {
			if v.Is(nsForm, "value") {
				f.values = append(f.values, v.Text())
			}
		}
		if f.name != "FORM_TYPE" {
			slices.Sort(f.values)
			fields = append(fields, f)
			continue
		}
		f.values = slices.Compact(f.values)
		switch {
		case len(f.values) > 1 || len(list) > 0: // XEP-0115 §5.4 step 3.5
			return nil, false
		case len(f.values) == 1 && n.Attr("type") == "hidden":
			list = f.values
		}
	}
	if list == nil { // step 3.6
		return nil, true
	}
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	for _, f := range fields {
		list = append(append(list, f.name), f.values...)
	}
	return list, true
}
