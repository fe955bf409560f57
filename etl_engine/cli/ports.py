"""Is a port free, and if not, who has it? Linux says who; elsewhere it stays a guess."""

import errno
import socket
from dataclasses import dataclass
from pathlib import Path

from etl_engine.errors import Conflict, Denied, EtlError, NotFound

_LISTENING = "0A"


@dataclass(frozen=True)
class Holder:
    """A process that listens on a port."""

    pid: int
    command: str
    folder: str

    def __str__(self) -> str:
        ours = Path(self.folder, "rxconfig.py").is_file()
        return f"{f'the app in {self.folder}' if ours else self.command} (process {self.pid})"


def refusal(host: str, port: int) -> OSError | None:
    """Why the port cannot be bound, or None where it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that just stopped is no obstacle
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def require_free(host: str, port: int) -> None:
    error = refusal(host, port)
    if error is None:
        return
    raise _explained(host, port, error)


def _explained(host: str, port: int, error: OSError) -> EtlError:
    if error.errno == errno.EADDRINUSE:
        holder = who_has(port)
        return Conflict(
            f"Port {port} of {host} is taken" + (f" by {holder}" if holder else ""),
            hint="Stop that program, or choose another port with --port.",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return Denied(f"This user may not bind port {port}", hint="Choose a port from 1024 up with --port.")
    return NotFound(f"{host} is not an address of this machine", hint="Choose one of its own, or 0.0.0.0 for all.")


def who_has(port: int) -> Holder | None:
    """The process that listens on the port, as far as /proc tells this user."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(handle.readlink()) in sockets for handle in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
                command = " ".join(Path(word).name for word in words[:2]).strip()
                return Holder(int(process.name), command, str((process / "cwd").readlink()))
        except OSError:  # gone meanwhile, or somebody else's
            continue
    return None


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(columns[9])
    return found
