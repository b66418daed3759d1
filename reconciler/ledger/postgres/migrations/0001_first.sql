-- All ledgers of one database, each a row of `ledgers`. JSON texts hold what is only ever read whole.

CREATE TABLE reconciler.format (
    version INTEGER NOT NULL
);

INSERT INTO reconciler.format (version) VALUES (0);

-- `token` is that of the run that last began to write; one with an older token may commit no more.
CREATE TABLE reconciler.ledgers (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    environment TEXT   NOT NULL,
    base_url    TEXT   NOT NULL,
    lineage     TEXT   NOT NULL,
    created_at  TEXT   NOT NULL,
    account     TEXT   NOT NULL DEFAULT '',
    serial      BIGINT NOT NULL DEFAULT 0,
    token       BIGINT NOT NULL DEFAULT 0,
    taken_by    TEXT   NOT NULL DEFAULT '',
    taken_at    TEXT   NOT NULL DEFAULT '',
    UNIQUE (environment, base_url)
);

CREATE SEQUENCE reconciler.tokens;

-- `account` is a hash of base URL and client id. `machine` and `process` tell whether a holder on the
-- same machine has died; `run` is new for each run. The row is removed when its run ends.
CREATE TABLE reconciler.leases (
    account    TEXT        NOT NULL PRIMARY KEY,
    token      BIGINT      NOT NULL,
    run        TEXT        NOT NULL,
    who        TEXT        NOT NULL,
    since      TEXT        NOT NULL,
    doing      TEXT        NOT NULL,
    machine    TEXT        NOT NULL,
    process    TEXT        NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);

-- UNIQUE (ledger, id): two keys never share one customer.
CREATE TABLE reconciler.bindings (
    ledger           BIGINT           NOT NULL REFERENCES reconciler.ledgers ON DELETE CASCADE,
    external_id      TEXT COLLATE "C" NOT NULL,
    id               TEXT COLLATE "C" NOT NULL,
    live_external_id TEXT             NOT NULL,
    created_at       TEXT             NOT NULL,
    state            TEXT             NOT NULL,
    project          TEXT             NOT NULL,
    source           TEXT             NOT NULL,
    protected        BOOLEAN          NOT NULL,
    via              TEXT             NOT NULL,
    written_at       DOUBLE PRECISION NOT NULL,
    applied_hash     BYTEA            NOT NULL,
    applied_json     TEXT             NOT NULL,
    observed_json    TEXT,
    trouble_json     TEXT,
    PRIMARY KEY (ledger, external_id),
    UNIQUE (ledger, id)
);

CREATE TABLE reconciler.users (
    ledger     BIGINT           NOT NULL REFERENCES reconciler.ledgers ON DELETE CASCADE,
    id         TEXT COLLATE "C" NOT NULL,
    users_json TEXT             NOT NULL,
    PRIMARY KEY (ledger, id)
);

CREATE TABLE reconciler.taken (
    ledger      BIGINT           NOT NULL REFERENCES reconciler.ledgers ON DELETE CASCADE,
    external_id TEXT COLLATE "C" NOT NULL,
    words       TEXT             NOT NULL,
    PRIMARY KEY (ledger, external_id)
);

CREATE TABLE reconciler.learned (
    ledger         BIGINT NOT NULL PRIMARY KEY REFERENCES reconciler.ledgers ON DELETE CASCADE,
    lists_archived BOOLEAN,
    gets_archived  BOOLEAN,
    longest_page   BIGINT NOT NULL,
    empties        TEXT,
    how            TEXT   NOT NULL
);

CREATE TABLE reconciler.intents (
    ledger       BIGINT           NOT NULL REFERENCES reconciler.ledgers ON DELETE CASCADE,
    run          TEXT COLLATE "C" NOT NULL,
    seq          BIGINT           NOT NULL,
    action       TEXT             NOT NULL,
    external_id  TEXT             NOT NULL,
    email        TEXT,
    id           TEXT,
    opened_at    DOUBLE PRECISION NOT NULL,
    payload_hash TEXT             NOT NULL,
    before_json  TEXT             NOT NULL,
    after_json   TEXT             NOT NULL,
    status       TEXT,
    message      TEXT             NOT NULL,
    closed_at    DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (ledger, run, seq)
);

-- Planning asks for the open ones alone, among all that history keeps.
CREATE INDEX open_intents ON reconciler.intents (ledger, opened_at, run, seq) WHERE status IS NULL;

-- `position` keeps the order in which runs began, whatever the clock said.
CREATE TABLE reconciler.runs (
    ledger      BIGINT           NOT NULL REFERENCES reconciler.ledgers ON DELETE CASCADE,
    position    BIGINT           GENERATED ALWAYS AS IDENTITY,
    id          TEXT COLLATE "C" NOT NULL,
    started_at  TEXT             NOT NULL,
    command     TEXT             NOT NULL,
    outcome     TEXT             NOT NULL,
    finished_at TEXT             NOT NULL,
    requests    BIGINT           NOT NULL,
    changes     BIGINT           NOT NULL,
    who         TEXT             NOT NULL,
    git_commit  TEXT             NOT NULL,
    ci_url      TEXT             NOT NULL,
    PRIMARY KEY (ledger, id)
);
