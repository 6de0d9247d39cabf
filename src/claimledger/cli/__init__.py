"""The command line: words, options and tables. Every command is a thin layer over a library call.

A module imports inside its functions what loads the database library (``claimledger.ledger`` and the
readers of files), so that ``claimledger COMMAND --help`` answers at once; all else it imports at its top.
"""
