-- The largest limit of a list that the server takes, of those tried; 0 where none was, so that one is tried once.

ALTER TABLE reconciler.learned ADD COLUMN page_limit BIGINT NOT NULL DEFAULT 0;
