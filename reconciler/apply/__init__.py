"""Plan to outcomes: intents before requests, results after, and what each reply adds to the ledger."""
