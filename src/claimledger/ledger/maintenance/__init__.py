"""A whole ledger as one thing: backup, restore, migration, salvage, and rebuilding its views."""
