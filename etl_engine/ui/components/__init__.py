"""Parts that pages share. None of them has a State: values and handlers come in as arguments."""
