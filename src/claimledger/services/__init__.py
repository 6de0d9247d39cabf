"""Answers that need both a ledger and the analysis of its claims."""
