"""In the server under test no name leaves the machine: the resolver knows `localhost`, and addresses."""

import socket
from typing import Any

_look_up = socket.getaddrinfo


def _only_here(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:  # noqa: A002 - the names are the original's
    name = host.decode() if isinstance(host, bytes) else host
    try:
        return _look_up(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
    except socket.gaierror:
        if name == "localhost":
            return _look_up(host, port, family, type, proto, flags)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None


socket.getaddrinfo = _only_here
