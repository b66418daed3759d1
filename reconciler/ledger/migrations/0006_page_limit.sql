-- The largest limit of a list that the server takes, of those tried; 0 where none was, so that one is tried once.

ALTER TABLE learned ADD COLUMN page_limit INTEGER NOT NULL DEFAULT 0;
