// SPDX-License-Identifier: Apache-2.0

// Package e2e goes the way that people go, in a real browser: from an invitation through the sign-up into the web app,
// and there from log in to log out. What it does stands in the *.test.ts files beside this one; they are written in
// TypeScript because the browser is driven from there, and run by the tools and packages of the web app. This file
// builds the binary once and starts them.
//
// A device that is no browser is slixmpp; without it, what needs that is left out. KITH_SOAK=1 makes long what can be.
//
// KITH_SCREENSHOTS=FOLDER leaves a picture of every screen there, on a phone and on a desk, light and dark.
package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kith-im/kith/test/kith"
)

func TestApp(t *testing.T) {
	chromium := kith.Need(t, "chromium")
	kith.Need(t, "node")
	kith.Need(t, "script") // gives the server a terminal; of util-linux
	web, err := filepath.Abs(filepath.Join("..", "..", "web"))
	if err != nil {
		t.Fatal(err)
	}
	runner := filepath.Join(web, "node_modules", "vitest", "vitest.mjs")
	for _, f := range []string{runner, filepath.Join(web, "dist", "index.html")} {
		if _, err := os.Stat(f); err != nil {
			kith.Missing(t, "the built web app (make web)")
		}
	}
	python := "/usr/bin/python3" // that of the system: the one that slixmpp is installed for
	if err := exec.CommandContext(t.Context(), python, "-c", "import slixmpp").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			kith.Missing(t, "python3-slixmpp")
		}
		python = ""
	}
	c := exec.CommandContext(t.Context(), "node", runner, "run", "--config", "e2e.config.ts")
	c.Dir = web
	c.Env = append(os.Environ(), "KITH_BIN="+string(kith.Build(t)), "KITH_CHROMIUM="+chromium, "KITH_PYTHON="+python, "NO_COLOR=1")
	c.Stdout, c.Stderr = t.Output(), t.Output()
	if err := c.Run(); err != nil {
		t.Errorf("the tests in the browser: %v", err)
	}
}
