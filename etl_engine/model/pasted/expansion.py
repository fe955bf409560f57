"""References to variables, as `.env` files, shells and docker-compose write them."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(
    r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]{0,79})(?:(:[-?+]?|[-?+])([^{}]{0,1000}))?\}|([A-Za-z_][A-Za-z0-9_]{0,79}))"
)
_DEEPEST = 5
_LONGEST = 8192  # no setting of a database is longer


def expanded(value: str, variables: Mapping[str, str], *, compose: bool = False) -> str | None:
    """The value with its references replaced; None where one has neither value nor default.

    A bare `$word` that is no known variable stays as it is: passwords have dollars. Only docker-compose writes `$$`.
    Spring's `${NAME:default}` is read as well.
    """
    for _ in range(_DEEPEST):
        if "$" not in value:
            break
        missing, length = False, len(value)

        def replacement(match: re.Match[str]) -> str:
            nonlocal missing, length
            name, operator, default = match[1] or match[4], match[2] or "", match[3] or ""
            if name is None:
                return "\0" if compose else "$$"
            found = variables.get(name)
            if (found is None or (found == "" and operator.startswith(":"))) and operator in ("-", ":-", ":"):
                found = default
            if found is None:
                missing = missing or bool(match[1])
                return match[0].replace("$", "\0")
            length += len(found)
            # Only what is short enough to be a value: a text that refers to itself must not grow without end.
            return found if length <= _LONGEST else ""

        changed = _REFERENCE.sub(replacement, value)
        if missing:
            return None
        if changed == value:
            break
        value = changed
    return value.replace("\0", "$")
