"""Desired + live + records to `Plan`: pure functions. No file, socket, clock, randomness or log."""
