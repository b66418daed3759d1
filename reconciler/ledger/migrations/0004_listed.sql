-- How many customers the last whole listing held, so that the price of the next is known before it is paid.

ALTER TABLE learned ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;
