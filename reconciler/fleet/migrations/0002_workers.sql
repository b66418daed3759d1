CREATE TABLE fleet_workers (
    fleet TEXT NOT NULL,
    worker TEXT NOT NULL,
    host TEXT NOT NULL,
    running BIGINT NOT NULL,
    seen_at DOUBLE PRECISION NOT NULL,
    draining BIGINT NOT NULL,
    PRIMARY KEY (fleet, worker)
);
