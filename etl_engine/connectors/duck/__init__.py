"""DuckDB as a source and a destination of rows. Loaded when a session opens: its modules load the library."""
