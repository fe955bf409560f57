"""Numbers as people say them. Ages are said in the browser, where they grow: components/time_ago.jsx."""


def duration(ms: float) -> str:
    """How long something took, in the unit a person would use: "38 ms", "1.2 s"."""
    if ms < 1:
        return "<1 ms"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: "1 connection", "1,000 connections"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
