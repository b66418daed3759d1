-- What the latest writes to a customer changed, as JSON, so that a list that lags behind them is known as such.

ALTER TABLE bindings ADD COLUMN recent_json TEXT;
