"""Schedules: what runs when, and what becomes of a fire that is late or finds it still running."""
