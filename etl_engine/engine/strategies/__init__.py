"""The write modes, one file each."""
