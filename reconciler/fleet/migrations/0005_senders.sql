CREATE TABLE fleet_senders (
    fleet TEXT NOT NULL PRIMARY KEY,
    sender TEXT NOT NULL,
    until DOUBLE PRECISION NOT NULL
);
