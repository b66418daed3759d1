-- Whether a list narrowed by created_at holds only whom it should (NULL: not known), and where the next whole listing is
-- to be cut into ranges of created_at: seconds since 1970, parted by blanks.

ALTER TABLE learned ADD COLUMN narrows INTEGER;
ALTER TABLE learned ADD COLUMN cuts TEXT NOT NULL DEFAULT '';
