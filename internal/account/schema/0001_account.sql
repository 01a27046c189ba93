-- SPDX-License-Identifier: Apache-2.0

-- People who may log in.
CREATE TABLE account (
	id         BIGINT  NOT NULL PRIMARY KEY,
	name       TEXT    NOT NULL UNIQUE, -- localpart, normalised
	role       TEXT    NOT NULL,        -- admin, user or limited
	disabled   BOOLEAN NOT NULL,
	created_at BIGINT  NOT NULL
);

-- Names that once were somebody's and are never given again.
CREATE TABLE account_tombstone (
	name       TEXT   NOT NULL PRIMARY KEY,
	account    BIGINT NOT NULL, -- the id that it had
	deleted_at BIGINT NOT NULL
);

-- What is kept of a password, once for each hash function.
CREATE TABLE account_credential (
	account    BIGINT NOT NULL,
	hash       TEXT   NOT NULL, -- SHA-1 or SHA-256
	salt       BYTEA  NOT NULL,
	iterations BIGINT NOT NULL,
	stored_key BYTEA  NOT NULL,
	server_key BYTEA  NOT NULL,
	PRIMARY KEY (account, hash)
);

-- FAST tokens: of one client at most one that was used and one that was not yet.
CREATE TABLE account_token (
	account    BIGINT  NOT NULL,
	client     TEXT    NOT NULL, -- the id that the client calls itself by
	id         BIGINT  NOT NULL, -- higher is newer
	mechanism  TEXT    NOT NULL,
	secret     BYTEA   NOT NULL, -- sealed
	created_at BIGINT  NOT NULL,
	expires_at BIGINT  NOT NULL,
	used       BOOLEAN NOT NULL,
	counter    BIGINT  NOT NULL, -- the highest count that came with it, 0 if none did
	PRIMARY KEY (account, client, id)
);
CREATE INDEX account_token_expiry ON account_token (expires_at);

-- Codes by which a browser logs in once after the sign-up.
CREATE TABLE account_code (
	account    BIGINT NOT NULL,
	id         BIGINT NOT NULL,
	secret     BYTEA  NOT NULL, -- sealed
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (account, id)
);
