"""Queries of a ledger: records, history, search, the state at a time, and the data of the graph."""
