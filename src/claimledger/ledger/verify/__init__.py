"""Verifying a ledger: faults, segments of the log, and the checks that need the whole log."""
