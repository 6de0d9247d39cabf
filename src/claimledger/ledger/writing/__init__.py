"""What is written to a ledger: one transaction each, log and views together."""
