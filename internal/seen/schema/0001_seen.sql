-- SPDX-License-Identifier: Apache-2.0

-- When an account's last available device left.
CREATE TABLE seen (
	owner  BIGINT NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
	at     BIGINT NOT NULL,
	status TEXT   NOT NULL  -- what it said with that, '' if nothing
);
