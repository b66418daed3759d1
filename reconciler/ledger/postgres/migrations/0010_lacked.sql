-- External_ids that a complete listing lacked, when it began, and a digest of the customers that it held.
CREATE TABLE reconciler.lacked (
    ledger      BIGINT           NOT NULL REFERENCES reconciler.ledgers ON DELETE CASCADE,
    external_id TEXT COLLATE "C" NOT NULL,
    at          DOUBLE PRECISION NOT NULL,
    held        TEXT             NOT NULL,
    PRIMARY KEY (ledger, external_id)
);
