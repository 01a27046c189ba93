-- SPDX-License-Identifier: Apache-2.0

-- Entries by peer, of owners who have asked for such.
CREATE TABLE archive_with (
	owner BIGINT NOT NULL,
	peer  BIGINT NOT NULL,
	id    BIGINT NOT NULL,
	n     BIGINT NOT NULL, -- counts the entries with the peer
	seq   BIGINT NOT NULL, -- of archive
	PRIMARY KEY (owner, peer, id)
) WITHOUT ROWID;

-- The words of entries, each with its owner's number in front, by archive.seq. Only of owners who have searched.
CREATE VIRTUAL TABLE archive_text USING fts5 (
	words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

-- Up to which entry an owner's are in archive_with and in archive_text.
CREATE TABLE archive_indexed (
	owner BIGINT NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
	peers BIGINT NOT NULL,
	texts BIGINT NOT NULL
);

-- What is gone, or has another text now, is not found any more.
CREATE TRIGGER archive_gone AFTER DELETE ON archive BEGIN
	DELETE FROM archive_with WHERE owner = old.owner AND peer = old.peer AND id = old.id;
	DELETE FROM archive_text WHERE rowid = old.seq;
END;
CREATE TRIGGER archive_replaced AFTER UPDATE OF raw ON archive BEGIN
	DELETE FROM archive_text WHERE rowid = old.seq;
END;
