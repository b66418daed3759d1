-- The ledger of one environment. One statement ends with `;` at the end of a line.
-- JSON texts hold what is only ever read whole; columns hold what is searched or compared.

CREATE TABLE meta (
    environment TEXT NOT NULL,
    base_url    TEXT NOT NULL,
    lineage     TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    account     TEXT NOT NULL DEFAULT ''
);

-- UNIQUE (id): two keys never share one customer.
CREATE TABLE bindings (
    external_id      TEXT    NOT NULL PRIMARY KEY,
    id               TEXT    NOT NULL UNIQUE,
    live_external_id TEXT    NOT NULL,
    created_at       TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    project          TEXT    NOT NULL,
    source           TEXT    NOT NULL,
    protected        INTEGER NOT NULL,
    via              TEXT    NOT NULL,
    written_at       REAL    NOT NULL,
    applied_hash     BLOB    NOT NULL,
    applied_json     TEXT    NOT NULL,
    observed_json    TEXT,
    trouble_json     TEXT
);

CREATE TABLE users (
    id         TEXT NOT NULL PRIMARY KEY,
    users_json TEXT NOT NULL
);

CREATE TABLE taken (
    external_id TEXT NOT NULL PRIMARY KEY,
    words       TEXT NOT NULL
);

CREATE TABLE learned (
    only           INTEGER PRIMARY KEY CHECK (only = 1),
    lists_archived INTEGER,
    gets_archived  INTEGER,
    longest_page   INTEGER NOT NULL,
    empties        TEXT,
    how            TEXT    NOT NULL
);

CREATE TABLE intents (
    run          TEXT    NOT NULL,
    seq          INTEGER NOT NULL,
    action       TEXT    NOT NULL,
    external_id  TEXT    NOT NULL,
    email        TEXT,
    id           TEXT,
    opened_at    REAL    NOT NULL,
    payload_hash TEXT    NOT NULL,
    before_json  TEXT    NOT NULL,
    after_json   TEXT    NOT NULL,
    status       TEXT,
    message      TEXT    NOT NULL,
    closed_at    REAL    NOT NULL,
    PRIMARY KEY (run, seq)
);

-- Planning asks for the open ones alone, among all that history keeps.
CREATE INDEX open_intents ON intents (opened_at, run, seq) WHERE status IS NULL;

-- `position` keeps the order in which runs began, whatever the clock said.
CREATE TABLE runs (
    position    INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE,
    started_at  TEXT    NOT NULL,
    command     TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    finished_at TEXT    NOT NULL,
    requests    INTEGER NOT NULL,
    changes     INTEGER NOT NULL,
    who         TEXT    NOT NULL,
    git_commit  TEXT    NOT NULL,
    ci_url      TEXT    NOT NULL
);
