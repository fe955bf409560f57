"""`keys rotate --reseal` may die at any moment, beside a process that goes on writing: no secret is lost.

Twenty random moments by default; RESEAL_KILLS=200 for a long run. The seed is printed with every failure.
"""

import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from etl_engine import faultpoints, settings
from etl_engine.faultpoints import FaultInjected
from etl_engine.model.collections import CONNECTIONS
from etl_engine.sealing import Vault
from etl_engine.services import connections, keys
from etl_engine.services.connection_documents import as_config, opened
from etl_engine.services.context import Context
from etl_engine.services.keyring import DataKey
from etl_engine.wiring import Engine

ROOT = Path(__file__).parents[2]
POINTS = (
    "keys.before_new_key",
    "keys.after_new_key",
    "keys.after_reseal_one",
    "keys.after_reseal_one@7",
    "keys.before_retire",
    "keys.after_retire",
)
KILLS = int(os.environ.get("RESEAL_KILLS", "20"))
SECRETS = 40
CREATED = 60  # by the writer, at most: every secret is opened after every death
SECONDS_TO_RESEAL = 0.25  # of so many secrets, roughly: the moments of death lie within
_processes = multiprocessing.get_context("fork")  # a spawned process would spend its whole life importing


@dataclass
class Installation:
    """A store in a folder; every process opens it for itself, because none that is open survives a fork."""

    folder: Path
    passwords: dict[str, str] = field(default_factory=dict)

    def open(self) -> Engine:
        return Engine(settings.load(data_dir=self.folder))

    def fill(self, number: int) -> None:
        engine = self.open()
        for index in range(number):
            password = f"p/w:@#?%{index}"
            self.passwords[added(engine.context(), f"filled {index}", password)] = password
        engine.close()

    def every_secret_opens(self, expected: dict[str, set[str]] | None = None) -> None:
        engine = self.open()
        ctx = engine.context()
        wanted = expected or {key: {value} for key, value in self.passwords.items()}
        documents = ctx.store.find(CONNECTIONS.name)
        assert {document["_id"] for document in documents} >= wanted.keys()
        for document in documents:
            secret = opened(ctx.keyring.vault(), document)["password"]
            assert document["_id"] not in wanted or secret in wanted[document["_id"]], document["name"]
        engine.close()

    def a_second_run_completes(self) -> None:
        """Everything stands under the newest key then, and every older one is retired."""
        engine = self.open()
        ctx = engine.context()
        assert keys.rotate(ctx, reseal=True).unreadable == ()
        document = ctx.keyring.document()
        assert document["resealing"] is False
        first, *older = ctx.keyring.data_keys(document)
        assert first.retired_at is None
        assert older
        assert all(key.retired_at is not None for key in older)
        vault = Vault([first.value])
        assert all(opened(vault, one)["password"] for one in ctx.store.find(CONNECTIONS.name))
        engine.close()

    def data_keys(self) -> list[DataKey]:
        engine = self.open()
        found = engine.context().keyring.data_keys(engine.context().keyring.document())
        engine.close()
        return found


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path / "data")
    made.fill(SECRETS)
    yield made
    faultpoints.arm("")


def added(ctx: Context, name: str, password: str) -> str:
    values = {"name": name, "db_type": "postgresql", "host": "127.0.0.1", "database": "d", "username": "u"}
    return connections.create(ctx, as_config(values | {"password": password})).id


def reseal_by_command(installation: Installation, fault: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "etl_engine.cli", "keys", "rotate", "--reseal", "--json"],
        cwd=installation.folder.parent,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(installation.folder), "FAULTPOINTS": fault},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_fault_point_of_the_rotation_is_tested() -> None:
    named = re.findall(r'faultpoint\("(keys\.\w+)"\)', (ROOT / "etl_engine" / "services" / "keys.py").read_text())
    assert set(named) == {point.partition("@")[0] for point in POINTS}


@pytest.mark.parametrize("point", POINTS)
def test_a_death_at_a_fault_point_loses_no_secret(installation: Installation, point: str) -> None:
    name, _, passage = point.partition("@")
    died = reseal_by_command(installation, f"{name}=kill" + (f"@{passage}" if passage else ""))
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert died.stdout == ""
    installation.every_secret_opens()
    installation.a_second_run_completes()
    installation.every_secret_opens()


@pytest.mark.parametrize("point", POINTS)
def test_an_exception_at_a_fault_point_loses_no_secret(installation: Installation, point: str) -> None:
    name, _, passage = point.partition("@")
    engine = installation.open()
    ctx = engine.context()
    faultpoints.arm(f"{name}=raise" + (f"@{passage}" if passage else ""))
    with pytest.raises(FaultInjected):
        keys.rotate(ctx, reseal=True)
    faultpoints.arm("")
    engine.close()
    installation.every_secret_opens()
    installation.a_second_run_completes()
    installation.every_secret_opens()


def test_a_run_that_was_killed_halfway_goes_on_with_the_same_new_key(installation: Installation) -> None:
    before = len(installation.data_keys())
    reseal_by_command(installation, "keys.after_reseal_one=kill@5")
    halfway = installation.data_keys()
    done = reseal_by_command(installation, "")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report == {"rewrapped": before + 1, "resealed": SECRETS - 5, "dropped": 0, "unreadable": []}
    assert [key.value for key in installation.data_keys()] == [key.value for key in halfway]


def _reseal(folder: Path, ready: Event) -> None:
    engine = Installation(folder).open()
    ctx = engine.context()
    ready.set()
    keys.rotate(ctx, reseal=True)
    engine.close()


def _write(folder: Path, journal: Path, stop: Event) -> None:
    """Create and change connections; note every password before it is sent, and after it was acknowledged."""
    engine = Installation(folder).open()
    ctx, number, made = engine.context(), 0, []
    rng = random.Random(number)
    with journal.open("a", buffering=1) as notes:
        while not stop.is_set():
            number += 1
            password = f"written/{number}@"
            if not made or (number % 5 == 0 and len(made) < CREATED):
                notes.write(f"new {password}\n")
                made.append(added(ctx, f"written {number}", password))
                notes.write(f"done {made[-1]} {password}\n")
            else:
                chosen = rng.choice(made)
                notes.write(f"try {chosen} {password}\n")
                connections.update(ctx, chosen, {"password": password})
                notes.write(f"done {chosen} {password}\n")
    engine.close()


def acknowledged(journal: Path) -> dict[str, set[str]]:
    """What each connection may hold: its last acknowledged password, or one that was on its way."""
    held: dict[str, set[str]] = {}
    for line in journal.read_text().splitlines():
        match line.split(" "):
            case ["done", connection_id, password]:
                held[connection_id] = {password}
            case ["try", connection_id, password]:
                held[connection_id].add(password)
    return held


def test_deaths_at_random_moments_beside_a_writer_lose_no_secret(installation: Installation, tmp_path: Path) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")
    rng, journal, stop = random.Random(seed), tmp_path / "journal", _processes.Event()
    writer = _processes.Process(target=_write, args=(installation.folder, journal, stop), daemon=True)
    writer.start()
    deaths = 0
    try:
        for _ in range(KILLS):
            ready = _processes.Event()
            resealing = _processes.Process(target=_reseal, args=(installation.folder, ready), daemon=True)
            resealing.start()
            assert ready.wait(30)
            time.sleep(rng.uniform(0, SECONDS_TO_RESEAL))  # the moment of death is what the test draws
            assert resealing.pid is not None
            os.kill(resealing.pid, signal.SIGKILL)
            resealing.join(30)
            deaths += resealing.exitcode == -signal.SIGKILL
            installation.every_secret_opens()
    finally:
        stop.set()
        writer.join(30)
    assert writer.exitcode == 0
    assert deaths >= KILLS // 4, f"only {deaths} of {KILLS} were killed at work: the moments are drawn too late"
    written = acknowledged(journal)
    assert len(written) >= min(KILLS, CREATED) // 2
    installation.every_secret_opens(written | {key: {value} for key, value in installation.passwords.items()})
    installation.a_second_run_completes()
    installation.every_secret_opens(written | {key: {value} for key, value in installation.passwords.items()})
