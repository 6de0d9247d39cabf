"""Operations on a whole ledger: backup, migration, salvage, and rebuilding the views."""
