CREATE TABLE fleet_accounts (
    fleet TEXT NOT NULL,
    account TEXT NOT NULL,
    folder TEXT NOT NULL,
    labels TEXT NOT NULL,
    every_s DOUBLE PRECISION NOT NULL,
    suspended BIGINT NOT NULL,
    state TEXT NOT NULL,
    since DOUBLE PRECISION NOT NULL,
    checked_at DOUBLE PRECISION NOT NULL,
    ok_at DOUBLE PRECISION NOT NULL,
    next_due DOUBLE PRECISION NOT NULL,
    failures BIGINT NOT NULL,
    customers BIGINT NOT NULL,
    drifted BIGINT NOT NULL,
    pending BIGINT NOT NULL,
    blocked BIGINT NOT NULL,
    requests BIGINT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    git_commit TEXT NOT NULL,
    error TEXT NOT NULL,
    message TEXT NOT NULL,
    notified TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (fleet, account)
);
CREATE TABLE fleet_days (
    fleet TEXT NOT NULL,
    day TEXT NOT NULL,
    accounts BIGINT NOT NULL,
    drifted BIGINT NOT NULL,
    failing BIGINT NOT NULL,
    PRIMARY KEY (fleet, day)
);
