"""Telling people and other systems what happened: one file per way of telling."""
