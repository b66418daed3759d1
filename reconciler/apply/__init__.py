"""Plan to outcomes: intents before requests, results after, and what a reply teaches the ledger."""
