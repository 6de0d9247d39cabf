"""Every reader of what others made, fed with anything: no traceback, no hang, bounded memory.

A short run in ``make test``; ``make fuzz`` (``FUZZ=...`` runs of each) is the long one. What it finds becomes an
example here, or a test of its own.
"""
