"""The registry of metrics, by families: the lines of each, and what its SQL reads of the ledger."""
