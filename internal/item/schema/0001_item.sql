-- SPDX-License-Identifier: Apache-2.0

-- Nodes: what an account publishes under.
CREATE TABLE item_node (
	owner         BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	node          TEXT   NOT NULL, -- its name
	config        TEXT   NOT NULL, -- JSON, type Config
	affiliations  TEXT   NOT NULL, -- JSON, by bare address
	subscriptions TEXT   NOT NULL, -- JSON, an array of addresses
	created_at    BIGINT NOT NULL,
	items         BIGINT NOT NULL, -- how many it has
	bytes         BIGINT NOT NULL, -- that they need, as item.size
	last          BIGINT NOT NULL, -- place of what was published last, kept or not; else 0
	PRIMARY KEY (owner, node)
);

-- What was published and is kept.
CREATE TABLE item (
	owner        BIGINT NOT NULL,
	node         TEXT   NOT NULL,
	id           TEXT   NOT NULL,
	place        BIGINT NOT NULL, -- grows with each publication in the node
	publisher    TEXT   NOT NULL, -- full address, '' where the server made it
	published_at BIGINT NOT NULL,
	size         BIGINT NOT NULL, -- bytes of id and payload
	payload      TEXT   NOT NULL, -- XML, '' if there is none
	PRIMARY KEY (owner, node, id),
	FOREIGN KEY (owner, node) REFERENCES item_node (owner, node) ON DELETE CASCADE
);
CREATE UNIQUE INDEX item_place ON item (owner, node, place);
