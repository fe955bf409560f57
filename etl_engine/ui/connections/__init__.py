"""The connections list: what it shows, and what can be done with each of them."""
