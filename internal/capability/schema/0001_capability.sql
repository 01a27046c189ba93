-- SPDX-License-Identifier: Apache-2.0

-- What software can do, by the hash that it announces.
CREATE TABLE capability (
	hash     TEXT   NOT NULL, -- the algorithm
	ver      TEXT   NOT NULL, -- the hash itself, as it is announced
	features TEXT   NOT NULL, -- sorted, one a line
	used_at  BIGINT NOT NULL, -- when it was last read into memory
	PRIMARY KEY (hash, ver)
);
CREATE INDEX capability_used ON capability (used_at);
