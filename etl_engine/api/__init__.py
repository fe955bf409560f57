"""The HTTP door: status codes, headers and shapes around the service functions."""
