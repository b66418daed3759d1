-- For an audit: whom CI names, with which key, which plan; and when the values of an old run were removed.

ALTER TABLE runs ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN key_name TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN plan_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN pruned_at TEXT NOT NULL DEFAULT '';
