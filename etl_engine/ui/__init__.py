"""The screen: Python compiled to React by Reflex."""
