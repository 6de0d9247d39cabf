"""Where a ledger is stored: tables, the rows projected into them, and one folder for each database."""
