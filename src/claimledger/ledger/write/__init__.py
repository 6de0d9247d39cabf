"""Writing to a ledger. Each write is one transaction over the log and its views."""
