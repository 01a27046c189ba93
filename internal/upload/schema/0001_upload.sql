-- SPDX-License-Identifier: Apache-2.0

-- A slot, and the file that was brought to it. When the file was removed the row stays for a while: that it was there.
CREATE TABLE upload (
	id         TEXT   NOT NULL PRIMARY KEY,  -- of its content
	owner      BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	name       TEXT   NOT NULL,
	type       TEXT   NOT NULL,              -- '' where none was said
	size       BIGINT NOT NULL,              -- bytes
	created_at BIGINT NOT NULL,              -- when the slot was given
	expires_at BIGINT NOT NULL,              -- when it has to be gone, 0: as all are
	done_at    BIGINT NOT NULL DEFAULT 0,    -- when the file was there, 0: not yet
	gone_at    BIGINT NOT NULL DEFAULT 0     -- when it was removed, 0: not yet
);

-- What somebody has brought here within a day, and in all.
CREATE INDEX upload_owner ON upload (owner, created_at);

-- What is due.
CREATE INDEX upload_created ON upload (created_at) WHERE gone_at = 0;
CREATE INDEX upload_open ON upload (created_at) WHERE done_at = 0 AND gone_at = 0;
CREATE INDEX upload_expires ON upload (expires_at) WHERE gone_at = 0 AND expires_at > 0;
CREATE INDEX upload_gone ON upload (gone_at) WHERE gone_at > 0;

-- Contents that nobody may get any more, and that are still on the disk. It hangs on no account: they outlive theirs.
CREATE TABLE upload_waste (
	id TEXT NOT NULL PRIMARY KEY
);
