// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/kith-im/kith/doc"
	"github.com/kith-im/kith/internal/doap"
)

// doapCommand prints which standards the server or the app follows (XEP-0453).
type doapCommand struct {
	App bool `help:"What the app follows, not the server."`
}

func (c doapCommand) Run(p *program) error {
	docs, findings := doap.Parse(doc.Specs)
	if len(findings) > 0 { // a test keeps it from being so
		return errors.New(findings[0])
	}
	part := doap.Server
	if c.App {
		part = doap.App
	}
	return doap.Write(p.out, part, docs)
}
