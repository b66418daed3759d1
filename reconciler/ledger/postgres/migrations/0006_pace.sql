-- The pace of each key, by a hash of base URL and client id: a JSON text whose moments are seconds since 1970 by
-- the database's clock. Whoever changes it holds the row's lock.
CREATE TABLE reconciler.paces (
    account TEXT NOT NULL PRIMARY KEY,
    pace    TEXT NOT NULL
);
