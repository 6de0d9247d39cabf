"""Reading a ledger: records, history, search, both clocks, and the part of the graph that answers need."""
