-- SPDX-License-Identifier: Apache-2.0

-- The addresses that an owner's entries are with, as small numbers of their own.
CREATE TABLE archive_peer (
	owner   BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	id      BIGINT NOT NULL, -- from 1 on
	address TEXT   NOT NULL, -- a bare address, normalised
	PRIMARY KEY (owner, address)
);
CREATE UNIQUE INDEX archive_peer_id ON archive_peer (owner, id);

-- One row for each message in each account's archive. The rows stand in the order in which they came, and one index
-- serves all reading: one by its id, a page, a page with one peer.
CREATE TABLE archive (
	owner   BIGINT  NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	id      BIGINT  NOT NULL, -- microseconds since 1970, unique and growing for an owner
	peer    BIGINT  NOT NULL, -- archive_peer.id
	sent    BOOLEAN NOT NULL, -- by the owner; else received
	waiting BOOLEAN NOT NULL, -- no device took it
	raw     TEXT    NOT NULL  -- the stanza
);
CREATE INDEX archive_owner ON archive (owner, id, peer);
CREATE INDEX archive_waiting ON archive (owner, id) WHERE waiting;

-- Entries that were recorded for their sender and not yet for the next hop.
CREATE TABLE archive_transit (
	owner BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	id    BIGINT NOT NULL, -- archive.id
	hop   TEXT   NOT NULL, -- the bare address of the next account, or the domain of the next server
	PRIMARY KEY (owner, id)
);

-- The entry up to which an owner's devices have taken everything that is not marked as waiting.
CREATE TABLE archive_taken (
	owner BIGINT NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
	id    BIGINT NOT NULL
);
