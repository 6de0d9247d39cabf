"""Verifying a ledger: the checks of a segment of the log, and those that need the whole log."""
