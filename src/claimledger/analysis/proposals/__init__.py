"""Rules that propose links, merges and amendments for a person to accept or decline.

They read a ledger and never write to it, and a proposal never says what is true.
"""
