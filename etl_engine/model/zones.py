"""Time zones by their IANA names."""

import difflib
import functools
import zoneinfo
from typing import Annotated

from pydantic import AfterValidator, Field


@functools.cache
def names() -> frozenset[str]:
    """Every zone there is. Looked up once: it reads a folder of hundreds of files."""
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "posixrules", "Factory"}


def zone(name: str) -> zoneinfo.ZoneInfo:
    """ValueError, with the name that was meant, where there is no such zone."""
    if name not in names():
        near = difflib.get_close_matches(name[:100], names(), n=1)
        meant = near[0] if near else "Europe/Berlin or UTC"
        raise ValueError(f"must be a time zone such as {meant}")
    return zoneinfo.ZoneInfo(name)


def _known(name: str) -> str:
    zone(name)
    return name


Zone = Annotated[str, Field(max_length=100, examples=["Europe/Berlin"]), AfterValidator(_known)]
