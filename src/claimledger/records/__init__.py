"""The types of record, one file each, as frozen values without input, output or a database.

A record is checked once, when it enters the program; after that, it is known to be valid.
"""
