-- External_ids that a complete listing lacked, when it began, and a digest of the customers that it held.

CREATE TABLE lacked (
    external_id TEXT NOT NULL PRIMARY KEY,
    at          REAL NOT NULL,
    held        TEXT NOT NULL
);
