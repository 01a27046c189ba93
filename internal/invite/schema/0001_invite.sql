-- SPDX-License-Identifier: Apache-2.0

-- Invitations, kept for 30 days after they ended. The token is not here: it is computed from the id under a key.
CREATE TABLE invite (
	id           BIGINT  NOT NULL PRIMARY KEY,
	kind         TEXT    NOT NULL, -- account or contact
	inviter      BIGINT  NOT NULL, -- account, 0 for the server
	inviter_name TEXT    NOT NULL, -- localpart, '' for the server
	role         TEXT    NOT NULL, -- of the account to be made
	name         TEXT    NOT NULL, -- the only name that may be taken, '' for any
	note         TEXT    NOT NULL,
	uses         BIGINT  NOT NULL,
	max_uses     BIGINT  NOT NULL,
	first_admin  BOOLEAN NOT NULL,
	created_at   BIGINT  NOT NULL,
	expires_at   BIGINT  NOT NULL,
	ended_at     BIGINT  NOT NULL, -- when it was used up or revoked; 0 while it is neither
	revoked      BOOLEAN NOT NULL
);
CREATE INDEX invite_inviter ON invite (inviter, id);
CREATE INDEX invite_expiry ON invite (expires_at);

-- Which invitation was used by which account.
CREATE TABLE invite_use (
	invite  BIGINT NOT NULL,
	account BIGINT NOT NULL,
	used_at BIGINT NOT NULL,
	PRIMARY KEY (invite, account)
);
