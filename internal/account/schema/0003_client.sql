-- SPDX-License-Identifier: Apache-2.0

-- The apps that have logged in to an account. A session of one without an id of its own goes by its resource.
CREATE TABLE account_client (
	account    BIGINT  NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	key        TEXT    NOT NULL, -- 'id:' with the client's own id, or 'at:' with its resource
	software   TEXT    NOT NULL, -- what it calls itself, '' for nothing
	device     TEXT    NOT NULL, -- the same
	address    TEXT    NOT NULL, -- the network that it came from last, '' where that is not kept
	password   BOOLEAN NOT NULL, -- it has shown the password that there is now
	first_seen BIGINT  NOT NULL,
	last_seen  BIGINT  NOT NULL,
	PRIMARY KEY (account, key)
);
CREATE INDEX account_client_seen ON account_client (last_seen);
