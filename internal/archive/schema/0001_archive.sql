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
-- serves all reading that needs none of those below.
CREATE TABLE archive (
	seq     INTEGER NOT NULL PRIMARY KEY, -- the row's number, by which archive_with and archive_text name it
	owner   BIGINT  NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	id      BIGINT  NOT NULL, -- microseconds since 1970, unique and growing for an owner
	peer    BIGINT  NOT NULL, -- archive_peer.id; less than 0: the entry is passing, not in the archive, and is not counted
	n       BIGINT  NOT NULL, -- counts the owner's entries
	sent    BOOLEAN NOT NULL, -- by the owner; else received
	waiting BOOLEAN NOT NULL, -- no device took it
	raw     TEXT    NOT NULL  -- the stanza
);
CREATE INDEX archive_owner ON archive (owner, id, peer);
CREATE INDEX archive_waiting ON archive (owner, id) WHERE waiting;
CREATE INDEX archive_passing ON archive (owner) WHERE peer < 0;

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

-- What an owner wants to have archived; those who want everything have no row.
CREATE TABLE archive_policy (
	owner     BIGINT NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
	otherwise TEXT   NOT NULL, -- for whom the lists do not name: always, never or roster
	always    TEXT   NOT NULL, -- addresses, one to a line
	never     TEXT   NOT NULL  -- the same
);
