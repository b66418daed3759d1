"""The ledger in a PostgreSQL database, for several machines: a schema `reconciler`, and a lease for its lock."""
