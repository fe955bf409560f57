"""Edges to other people's systems: one file a kind."""
