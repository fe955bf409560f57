"""Moves rows: plans how, reads, applies a write mode, keeps the ledger."""
