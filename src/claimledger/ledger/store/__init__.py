"""Where a ledger is kept: one file a store, behind one short base."""
