"""Tables that are files, in a local folder or in a bucket: read by path or glob, written under one manifest."""
