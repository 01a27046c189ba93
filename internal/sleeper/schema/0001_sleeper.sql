-- SPDX-License-Identifier: Apache-2.0

-- How many stanzas of a session are certain, for a client that comes back when the session itself is gone.
CREATE TABLE sleeper_count (
	session BYTEA  NOT NULL PRIMARY KEY, -- a hash of the id that its client has
	account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	h       BIGINT NOT NULL,
	ended   BIGINT NOT NULL              -- seconds since 1970; 0 while the session goes on
);
CREATE INDEX sleeper_count_account ON sleeper_count (account);
CREATE INDEX sleeper_count_ended ON sleeper_count (ended) WHERE ended <> 0;

-- Sessions that slept when the server stopped. They are read and deleted at the start.
CREATE TABLE sleeper (
	session BYTEA  NOT NULL PRIMARY KEY,
	account BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	state   BYTEA  NOT NULL              -- what package c2s makes of it
);
CREATE INDEX sleeper_account ON sleeper (account);
