"""Reading what people paste: addresses, settings files, command lines, of databases. Pure: text in, fields out."""
