"""Fuzzing of every parser of foreign input: no traceback, no hang, bounded memory.

A short run in ``make test``, a long one in ``make fuzz`` (``FUZZ=...`` examples in all). An input that reveals a
bug becomes an example here or a test of its own.
"""
