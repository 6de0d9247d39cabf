"""What comes in: case files, JSON Lines, the dialogue of ``record``."""
