"""Many accounts: which they are due, a job for each, in a pool or on an engine; the gate and the waves of a rollout."""
