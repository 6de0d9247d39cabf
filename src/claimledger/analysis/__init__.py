"""The analysis: pure functions from the graph of claims and links to answers about it.

Nothing here writes to a ledger, and nothing says what is true. Every answer is computed from the claims
in view and the links between them, and carries the records that led to it. ``docs/semantics.md``
defines each answer; the modules here follow its sections.
"""
