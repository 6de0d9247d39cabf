"""Operations on a whole ledger: backup, migration, salvage and the rebuilding of the views."""
