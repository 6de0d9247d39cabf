"""Proposals: rules that read the ledger and ask. They never write, and never say what is true."""
