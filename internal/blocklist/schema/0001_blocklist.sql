-- SPDX-License-Identifier: Apache-2.0

-- Whom an account does not want to hear from.
CREATE TABLE blocklist (
	owner   BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	address TEXT   NOT NULL, -- normalised, of any of the four forms
	PRIMARY KEY (owner, address)
);
