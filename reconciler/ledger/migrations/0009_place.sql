-- The repository and folder that the entry of a customer was applied from: another place does not archive it as removed.

ALTER TABLE bindings ADD COLUMN place TEXT NOT NULL DEFAULT '';
