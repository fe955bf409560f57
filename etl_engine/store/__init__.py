"""The metadata store: one port, two backends."""
