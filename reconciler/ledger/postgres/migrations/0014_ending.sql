-- How each change ended, as a code with its parts; `message` says it in words in runs of older versions.

ALTER TABLE reconciler.intents ADD COLUMN ending_json TEXT NOT NULL DEFAULT '';
