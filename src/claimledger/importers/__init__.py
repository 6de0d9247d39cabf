"""What comes into a ledger: case files, JSON Lines, log segments, and the prompt of ``record``."""
