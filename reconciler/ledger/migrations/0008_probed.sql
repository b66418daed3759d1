-- What a probe of the account answered, as JSON, and how long it saw a write stay unseen.

ALTER TABLE learned ADD COLUMN lag_s REAL NOT NULL DEFAULT 0;
ALTER TABLE learned ADD COLUMN answers TEXT NOT NULL DEFAULT '';
