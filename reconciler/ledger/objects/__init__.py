"""The ledger in object storage, for runners without a disk: a log of numbered objects, snapshots of it, and a lease."""
