"""Runs: the list of them, and one of them with its tasks, its log and what became of its rows."""
