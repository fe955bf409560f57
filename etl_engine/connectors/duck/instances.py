"""One instance of the library per file and process, shared by all sessions; the last one to close lets the file go.

DuckDB takes a lock on the file for the process, so that two instances could never be open. What a session may do is
settled when the instance opens, and locked: no other files, no extensions, bounded memory and threads.
"""

import contextlib
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from etl_engine.connectors.database_file import Identity, hold, identity, release

MEMORY = "1GB"
THREADS = "2"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "memory_limit": MEMORY,
    "threads": THREADS,
}
_PINS = ("SET TimeZone = 'UTC'", "SET lock_configuration = true")


class Occupied(Exception):
    """A session of this process has the file open read-only, and this one wants to write."""


@dataclass
class _Instance:
    root: duckdb.DuckDBPyConnection
    read_only: bool
    sessions: int = 0
    streams: set[str] = field(default_factory=set)


_opening = threading.Lock()
_instances: dict[Identity, _Instance] = {}


@dataclass
class Opened:
    """A connection of a session, and what to give back."""

    connection: duckdb.DuckDBPyConnection
    identity: Identity
    read_only: bool


def open_file(path: Path, *, read_only: bool, writes: bool) -> Opened:
    """duckdb.IOException where another process has the file; OSError where it is not there.

    Reading, too, opens the file for writing where it may: else nobody in this process could write to it meanwhile.
    """
    with _opening:
        found = identity(path.stat())
        instance = _instances.get(found)
        if instance is None:
            hold(path)
            try:
                instance = _instances[found] = _open(path, read_only=read_only, writes=writes)
            except BaseException:
                release(found)
                raise
        elif writes and instance.read_only:
            raise Occupied
        instance.sessions += 1
        try:
            return Opened(instance.root.cursor(), found, instance.read_only)
        except duckdb.Error:
            _leave(found, instance)
            raise


def close_file(opened: Opened) -> None:
    with _opening:
        with contextlib.suppress(duckdb.Error):
            opened.connection.close()
        instance = _instances.get(opened.identity)
        if instance is not None:
            _leave(opened.identity, instance)


def take_stream(found: Identity, stream: str) -> bool:
    """Whether nobody else in this process writes the stream; in another process nobody can."""
    with _opening:
        instance = _instances[found]
        if stream in instance.streams:
            return False
        instance.streams.add(stream)
        return True


def leave_stream(found: Identity, stream: str) -> None:
    with _opening:
        if found in _instances:
            _instances[found].streams.discard(stream)


def _open(path: Path, *, read_only: bool, writes: bool) -> _Instance:
    may_write = not read_only and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    if may_write or writes:
        try:
            return _pinned(path, read_only=False)
        except duckdb.IOException:
            if writes:
                raise
    return _pinned(path, read_only=True)  # others that only read are no hindrance


def _pinned(path: Path, *, read_only: bool) -> _Instance:
    root = duckdb.connect(str(path), read_only=read_only, config=_CONFIG)
    try:
        for pin in _PINS:
            root.execute(pin)
    except BaseException:
        root.close()
        raise
    return _Instance(root, read_only)


def _leave(found: Identity, instance: _Instance) -> None:
    instance.sessions -= 1
    if not instance.sessions:
        del _instances[found]
        with contextlib.suppress(duckdb.Error):
            instance.root.close()
        release(found)
