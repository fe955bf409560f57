"""ETL Engine: connect, map and move data without losing or changing a value."""

__version__ = "0.1.0"
