-- The commit that the file of each change's entry is of, so that a line of it can be looked up.

ALTER TABLE reconciler.intents ADD COLUMN source_commit TEXT NOT NULL DEFAULT '';
