"""The inputs of a ledger: case files, log segments, options, and the prompt of ``record``."""
