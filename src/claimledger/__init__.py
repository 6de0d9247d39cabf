"""claimledger: a claim-tracking provenance ledger.

Every assertion is a dated claim tied to a source, a claimant and a subject; links between claims
show which are corroborated and which are contested; nothing is ever silently changed.
"""

__version__ = "0.1.0"
