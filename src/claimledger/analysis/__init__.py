"""The analysis: pure functions from the graph of claims and links to answers about it.

Nothing here writes to a ledger, and no answer says what is true. Every answer is computed from the claims in
view and the links between them, and names the records that led to it. ``docs/semantics.md`` defines each
answer; the modules follow its sections.
"""
