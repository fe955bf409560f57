"""A kind of connection whose checks do what a test tells them, next to the real kinds, on a store of the test's own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Connector, Deadline, Health, Kind, Step, StepState, Surroundings, Who
from etl_engine.model.collections import ALL, AUDIT
from etl_engine.model.connection import ConnectionConfig, ServerConfig
from etl_engine.model.text import Port
from etl_engine.sealing import new_key
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context
from etl_engine.services.keyring import Keyring
from etl_engine.store.sql import SqlStore

_CACHES = (registry.saved_type, registry.draft_union, registry.saved_union, registry.draft_adapter)
RUNGS = (Step("tcp", "TCP"), Step("login", "Login"))


class ScriptedConfig(ServerConfig):
    """A server that is not there."""

    db_type: Literal["scripted"]
    port: Annotated[Port, Field(ge=1, le=65535)] = 7000


@dataclass
class Script:
    """What the next checks do, and what they were made with."""

    check: Callable[[ConnectionConfig], Health] = lambda config: passed()
    configs: list[ConnectionConfig] = field(default_factory=list)
    closed: int = 0

    def make(self, config: ConnectionConfig, surroundings: Surroundings) -> Connector:
        self.configs.append(config)
        return _Scripted(self, config)


class _Scripted(Connector):
    def __init__(self, script: Script, config: ConnectionConfig) -> None:
        self._script = script
        self._config = config

    def check(self, deadline: Deadline, on_step: Callable[[Step], None]) -> Health:
        health = self._script.check(self._config)
        for step in health.steps:
            deadline.left()
            on_step(step)
        return health

    def close(self) -> None:
        self._script.closed += 1


def passed(ms: float = 12.5, version: str = "Scripted 1.0", evidence: str = "") -> Health:
    steps = tuple(Step(rung.key, rung.title, StepState.PASS, ms=ms / 2, evidence=evidence) for rung in RUNGS)
    return Health(steps, ms, version)


def failed(cause: str = "the password is wrong", ms: float = 3.0) -> Health:
    tcp = Step("tcp", "TCP", StepState.PASS, ms=1.0)
    login = Step("login", "Login", StepState.FAIL, ms=2.0, cause=cause, fix="Change it.", who=Who.YOU, code="wrong")
    return Health((tcp, login), ms)


@contextmanager
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """The kind `scripted` beside the real ones, for as long as this lasts."""
    script = Script()
    kind = Kind("scripted", "Scripted", "A test's own.", ScriptedConfig, script.make, "none", "none", rungs=RUNGS)
    kinds = {**registry.all_kinds(), kind.name: kind}
    with monkeypatch.context() as patch:
        patch.setattr(registry, "all_kinds", lambda: kinds)
        _forget()
        yield script
    _forget()


def _forget() -> None:
    for cache in _CACHES:
        cache.cache_clear()


@contextmanager
def opened_context(folder: Path) -> Iterator[Context]:
    """A context on an embedded store with a key of its own."""
    store = SqlStore(f"sqlite:///{folder}/etl_engine.db")
    store.open(ALL)
    yield Context(store, Keyring(store, (new_key(),)), Surroundings(file_roots=(folder / "files",)))
    store.close()


def draft(name: str = "Shop", **more: Any) -> ConnectionConfig:
    """A connection of the scripted kind; another db_type and any field may be given."""
    values = {"name": name, "db_type": "scripted", "host": "db.example.com", "database": "shop", "username": "me"}
    return as_config(values | {"password": "secret"} | more)


def audited(ctx: Context) -> list[tuple[str, str, str]]:
    """What the audit says, oldest first: action, outcome, code of the error."""
    entries = ctx.store.find(AUDIT.name, sort=[("_id", 1)])
    return [(entry["action"], entry["outcome"], entry["error_code"]) for entry in entries]


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `count` threads answer that start at the same moment; an exception is an answer."""
    answers: list[Any] = [None] * count
    start = threading.Barrier(count)

    def run(number: int) -> None:
        start.wait(10)
        try:
            answers[number] = work(number)
        except Exception as error:
            answers[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return answers
