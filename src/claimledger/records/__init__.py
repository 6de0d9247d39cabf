"""The words of the field as frozen values: one file a word. No input or output, no database.

A record is checked once, where it enters; inside the program it is a value that is known to be valid.
"""
