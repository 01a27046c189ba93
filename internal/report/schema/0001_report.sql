-- SPDX-License-Identifier: Apache-2.0

-- Whom people have reported to the admins.
CREATE TABLE report (
	id          BIGINT  NOT NULL PRIMARY KEY, -- higher is later
	reporter    BIGINT  NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	reported    TEXT    NOT NULL, -- an address of any form
	reason      TEXT    NOT NULL, -- a URN
	words       TEXT    NOT NULL, -- what the reporter says, '' for nothing
	origin      BOOLEAN NOT NULL, -- may be told to the server of who is reported
	third_party BOOLEAN NOT NULL, -- may be told to others
	messages    TEXT    NOT NULL, -- JSON, an array of those that are named
	at          BIGINT  NOT NULL
);
CREATE INDEX report_reporter ON report (reporter, id);
