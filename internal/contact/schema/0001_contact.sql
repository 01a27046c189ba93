-- SPDX-License-Identifier: Apache-2.0

-- Whom an account knows, and who asks to be known.
CREATE TABLE contact (
	owner      BIGINT  NOT NULL, -- account
	address    TEXT    NOT NULL, -- bare
	listed     BOOLEAN NOT NULL, -- false: only a request waits, and the list does not show it
	name       TEXT    NOT NULL, -- as the owner calls them
	group_list TEXT    NOT NULL, -- JSON, an array of texts
	state      BIGINT  NOT NULL, -- type State
	approved   BOOLEAN NOT NULL, -- a request will be granted without asking
	request    TEXT    NOT NULL, -- the stanza that asks, '' if there is none or it was too large
	asked_at   BIGINT  NOT NULL, -- when it came, else 0
	version    BIGINT  NOT NULL, -- of the list, when this was last changed in it
	PRIMARY KEY (owner, address)
);
CREATE INDEX contact_address ON contact (address);

-- The version of each list.
CREATE TABLE contact_list (
	owner     BIGINT NOT NULL PRIMARY KEY,
	version   BIGINT NOT NULL,
	complete  BIGINT NOT NULL  -- from this version on contact_removed has everything
);

-- Contacts that were removed, so that a client that knows an older version can be told.
CREATE TABLE contact_removed (
	owner   BIGINT NOT NULL,
	address TEXT   NOT NULL,
	version BIGINT NOT NULL,
	PRIMARY KEY (owner, address)
);
