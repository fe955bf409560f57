"""What `localhost` means here: in a container it is the container, not the machine that people think of."""

import functools
import ipaddress
from pathlib import Path

ADVICE = (
    "The engine runs in a container, and there this name means the container itself. "
    "Enter the name or address under which the database is reached from inside it."
)
_MARKS = (".dockerenv", "run/.containerenv")  # Docker, Podman
_KUBERNETES = "/kubelet/pods/"  # where a pod's own files are mounted from


@functools.cache
def in_container(root: Path = Path("/")) -> bool:
    """Whether this process runs in a container."""
    if any((root / mark).exists() for mark in _MARKS):
        return True
    try:
        return _KUBERNETES in (root / "proc/self/mountinfo").read_text(errors="replace")
    except OSError:  # no Linux
        return False


def advice(host: str) -> str:
    """What to say beside a host that is this machine itself."""
    return ADVICE if _is_here(host) and in_container() else ""


def _is_here(host: str) -> bool:
    name = host.strip().strip("[]").rstrip(".").casefold()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
