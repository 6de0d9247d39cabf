"""What is read from a ledger: records, history, search, the clocks, a claim's neighbourhood."""
