-- SPDX-License-Identifier: Apache-2.0

-- Names that open invitations keep for who was invited.
CREATE INDEX invite_name ON invite (name) WHERE name <> '';
