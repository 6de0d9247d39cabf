"""Diagrams of a ledger: the graph of claims, and figures over time."""
