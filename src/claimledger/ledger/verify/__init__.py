"""The verification of a ledger: the checks of each segment of the log, and those of the whole log."""
