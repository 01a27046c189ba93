-- SPDX-License-Identifier: Apache-2.0

-- How often the password was replaced, so that a log-in in progress notices.
ALTER TABLE account ADD COLUMN password BIGINT NOT NULL DEFAULT 0;

-- What the client of a token calls itself and its device, and when it last logged in with it; 0: not yet.
ALTER TABLE account_token ADD COLUMN software TEXT NOT NULL DEFAULT '';
ALTER TABLE account_token ADD COLUMN device TEXT NOT NULL DEFAULT '';
ALTER TABLE account_token ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
