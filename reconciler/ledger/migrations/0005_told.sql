-- The state of drift that was notified of last, as a hash, so that each state is told once.

ALTER TABLE learned ADD COLUMN told TEXT NOT NULL DEFAULT '';
