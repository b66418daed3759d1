-- How many customers the last whole listing held, so that the price of the next is known before it is paid.

ALTER TABLE reconciler.learned ADD COLUMN listed BIGINT NOT NULL DEFAULT 0;
