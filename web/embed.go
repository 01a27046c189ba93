// SPDX-License-Identifier: Apache-2.0

// Package web holds the built web app inside the binary.
//
// dist is what "npm run build" in this folder leaves. It is not committed but for an empty .keep, so that
// the Go code compiles without Node; a binary built like that has an app without index.html, and who serves
// it has to say so.
package web

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Dist returns the files of the built app, with index.html at the root where the app was built. Files below
// assets/ carry a hash of their content in their name and never change. It may be called concurrently.
func Dist() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("web: the embedded folder has no dist: " + err.Error()) // the embed directive above rules it out
	}
	return sub
}
