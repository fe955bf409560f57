"""Where mappings are found on the screen."""

import re

PATH = "/mappings"
NEW = "new"
_PLACE = re.compile(rf"{PATH}/([0-9a-f]{{24}}|{NEW})/?")


def mapping_address(mapping_id: str) -> str:
    return f"{PATH}/{mapping_id}"


def mapping_of(path: str) -> str:
    """The mapping that a path names, or "new", or nothing."""
    found = _PLACE.fullmatch(path)
    return found[1] if found else ""
