"""Delta Lake tables, in a local folder or in a bucket: ACID, written by many processes at once."""
