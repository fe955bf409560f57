"""The overview: what is broken, running, late and next."""
