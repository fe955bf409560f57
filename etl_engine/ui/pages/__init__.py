"""One file per page: its State and its view."""
