"""The stages in order, and the only package that knows every stage: it builds client, clock and ledger."""
