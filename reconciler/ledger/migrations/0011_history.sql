-- Why each change was planned and where its entry is; how often in a row a customer was archived or restored; and which
-- archive the server was asked about in vain.

ALTER TABLE intents ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN source_file TEXT NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN source_line INTEGER NOT NULL DEFAULT 0;
ALTER TABLE bindings ADD COLUMN reversals_json TEXT;
ALTER TABLE learned ADD COLUMN asked_at REAL NOT NULL DEFAULT 0;

-- A customer's whole history is asked for by its key and by its id.
CREATE INDEX intents_of_key ON intents (external_id);
CREATE INDEX intents_of_id ON intents (id);
