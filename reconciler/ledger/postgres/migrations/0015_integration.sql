-- The customer_integration_id of a customer, so that one that an integration syncs is known as such while it is archived.

ALTER TABLE reconciler.bindings ADD COLUMN integration_id TEXT NOT NULL DEFAULT '';
