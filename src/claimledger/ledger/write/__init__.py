"""Writing to a ledger: each write is one transaction over the log and its views."""
