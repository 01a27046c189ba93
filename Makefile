# What there is to do here. Each target is a line or two; the long way of "make test" stands in .ci/test.

export CGO_ENABLED ?= 0
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 30s
FUZZHOUR ?= 1h
WEB      := $(shell find web/src web/public web/*.json web/*.html web/*.ts -type f 2>/dev/null)

.PHONY: help run build web test race fuzz lint bench load soak interop e2e

help:  ## what there is to do
	@sed -nE 's/^([a-z0-9]+):.*## /\1\t/p' Makefile | expand -t 10

run: build  ## build everything and start it for localhost, with its data in ./data
	@exec bin/kith serve

build: web  ## build bin/kith with the web app inside
	go build -trimpath -tags tlsdrop -ldflags '-s -w -X main.version=$(VERSION)' -o bin/kith ./cmd/kith

web: web/dist/index.html  ## build the web app, if anything in it changed

web/dist/index.html: web/node_modules/.package-lock.json $(WEB)
	cd web && npm run build && touch dist/index.html dist/.keep

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund && touch node_modules/.package-lock.json

test:  ## everything that must hold (KITH_SOAK is not set: the short form)
	@.ci/test

race:  ## the Go tests of the packages, with the race detector
	CGO_ENABLED=1 go test -race ./cmd/... ./internal/... ./web

fuzz:  ## every fuzz target for FUZZTIME (30s)
	@.ci/fuzz each $(FUZZTIME)

lint: web/node_modules/.package-lock.json  ## gofmt, vet, staticcheck, tsc, oxlint
	@.ci/test lint

bench:  ## benchmarks of the packages, with allocations
	go test -run '^$$' -bench . -benchmem ./internal/...

load: web  ## what the server costs, beside Prosody and ejabberd where they are installed: the table of doc/performance.md (40 minutes)
	KITH_SOAK=1 go test -count=1 -timeout 1h -v -run TestLoad ./test/load

soak: web  ## what is longer: chaos, kills, load, hostile input, and FUZZHOUR (1h) of fuzzing
	KITH_SOAK=1 go test -count=1 -p 1 -timeout 3h ./internal/... ./test/...
	@.ci/fuzz total $(FUZZHOUR)

interop: web  ## real peers: slixmpp, nbxmpp, profanity, go-sendxmpp, mcabber, Prosody; skips what is not installed
	go test -count=1 -p 1 -v ./test/interop/...

e2e: web  ## a real browser against the real binary; skips without Chromium
	go test -count=1 -p 1 -v ./test/e2e/...
