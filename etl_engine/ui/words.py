"""Times as people say them."""

import datetime as dt

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    """How long ago, in the largest unit that is not a fraction: "4 min ago"."""
    seconds = (now - moment).total_seconds()
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return "just now"
