-- SPDX-License-Identifier: Apache-2.0

-- What clients keep for themselves.
CREATE TABLE private_xml (
	owner BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	space TEXT   NOT NULL, -- namespace of the elements
	local TEXT   NOT NULL, -- their name
	size  BIGINT NOT NULL, -- bytes of all three texts
	xml   TEXT   NOT NULL, -- one element or several of that name
	PRIMARY KEY (owner, space, local)
);
