CREATE TABLE fleet_rollouts (
    id TEXT NOT NULL PRIMARY KEY,
    fleet TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    who TEXT NOT NULL,
    git_commit TEXT NOT NULL,
    ci_url TEXT NOT NULL,
    chosen BIGINT NOT NULL,
    waves BIGINT NOT NULL,
    wave BIGINT NOT NULL,
    max_failed BIGINT NOT NULL,
    ended_at DOUBLE PRECISION NOT NULL,
    why TEXT NOT NULL,
    driver TEXT NOT NULL,
    seen_at DOUBLE PRECISION NOT NULL,
    approved TEXT NOT NULL,
    soaks TEXT NOT NULL
);
CREATE UNIQUE INDEX one_rollout ON fleet_rollouts (fleet) WHERE state IN ('running', 'paused', 'stopped');
CREATE TABLE fleet_items (
    rollout TEXT NOT NULL,
    account TEXT NOT NULL,
    wave BIGINT NOT NULL,
    state TEXT NOT NULL,
    digest TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    planned TEXT NOT NULL,
    done TEXT NOT NULL,
    started_at DOUBLE PRECISION NOT NULL,
    ended_at DOUBLE PRECISION NOT NULL,
    attempts BIGINT NOT NULL,
    error TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (rollout, account)
);
CREATE TABLE fleet_plans (
    rollout TEXT NOT NULL,
    account TEXT NOT NULL,
    plan TEXT NOT NULL,
    PRIMARY KEY (rollout, account)
);
