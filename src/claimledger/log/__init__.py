"""The log: its entries, their canonical JSON, the Merkle tree over them, and the rules of the format."""
