"""The ledger: every open goes through one guard, every write through one transaction."""
