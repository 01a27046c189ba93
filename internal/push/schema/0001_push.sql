-- SPDX-License-Identifier: Apache-2.0

-- Devices that are woken by somebody else's service.
CREATE TABLE push (
	id       BIGINT NOT NULL PRIMARY KEY, -- never given twice
	owner    BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	client   TEXT   NOT NULL,             -- account.ClientKey
	kind     TEXT   NOT NULL,
	service  TEXT   NOT NULL,             -- whom to ask: a URL, or an address
	node     TEXT   NOT NULL,             -- which of that service's; '' where it has no such thing
	detail   TEXT   NOT NULL,             -- what the kind needs besides
	wants    BIGINT NOT NULL,             -- kinds of notices, a bit for each
	muted    TEXT   NOT NULL,             -- chats that are not told, an address on each line
	since    BIGINT NOT NULL,             -- microseconds, as the next two
	sent     BIGINT NOT NULL,             -- 0: never
	failed   BIGINT NOT NULL,             -- 0: not since then
	failures BIGINT NOT NULL,             -- since then
	refused  BIGINT NOT NULL,             -- of these, those that time does not mend
	error    TEXT   NOT NULL,
	UNIQUE (owner, kind, client),
	UNIQUE (owner, kind, service, node)
);
