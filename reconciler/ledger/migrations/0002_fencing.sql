-- `token` grows with each writing run; a run that holds an older one may commit no more.
-- `serial` grows with each commit, so that an older copy is told from a newer one.

ALTER TABLE meta ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN token INTEGER NOT NULL DEFAULT 0;
ALTER TABLE meta ADD COLUMN taken_by TEXT NOT NULL DEFAULT '';
ALTER TABLE meta ADD COLUMN taken_at TEXT NOT NULL DEFAULT '';
