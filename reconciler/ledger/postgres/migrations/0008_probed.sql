-- What a probe of the account answered, as JSON, and how long it saw a write stay unseen.

ALTER TABLE reconciler.learned ADD COLUMN lag_s DOUBLE PRECISION NOT NULL DEFAULT 0;
ALTER TABLE reconciler.learned ADD COLUMN answers TEXT NOT NULL DEFAULT '';
