"""What a process says when it starts: where it runs, on which store, with which key. Never with which password."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etl_engine import __version__
from etl_engine.sealing import new_key

_START = """
import sys
from etl_engine import wiring
from etl_engine.errors import EtlError
try:
    wiring.start("web", 8000).close()
except EtlError as error:
    sys.exit(f"{type(error).__name__}: {error.message}. {error.hint}")
"""


def start(folder: Path, **variables: str) -> tuple[int, list[dict[str, Any]], str]:
    environment = {"PATH": os.environ["PATH"], "LOG_FORMAT": "json", "DATA_DIR": str(folder / "data"), **variables}
    done = subprocess.run(
        [sys.executable, "-c", _START], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    lines = done.stderr.splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return done.returncode, events, "\n".join(line for line in lines if not line.startswith("{"))


def test_the_start_line_says_version_address_store_folder_and_key(tmp_path: Path) -> None:
    code, events, rest = start(tmp_path)
    assert (code, rest) == (0, "")
    assert [event["event"] for event in events] == [
        "web started",
        f"made a new key in {tmp_path}/data/encryption.key (mode 0600): back it up, apart from the store",
    ]
    assert {name: events[0][name] for name in ("version", "address", "store", "data_dir", "key")} == {
        "version": __version__,
        "address": "127.0.0.1:8000",
        "store": f"SQLite file {tmp_path}/data/etl_engine.db",
        "data_dir": f"{tmp_path}/data",
        "key": f"{tmp_path}/data/encryption.key",
    }
    _, events, _ = start(tmp_path)
    assert [event["event"] for event in events] == ["web started"]  # of the new key it says so once


@pytest.mark.parametrize(("host", "shown"), [("0.0.0.0", "0.0.0.0:8000"), ("::", "[::]:8000")])
def test_an_address_that_others_reach_is_warned_about(tmp_path: Path, host: str, shown: str) -> None:
    _, events, _ = start(tmp_path, HOST=host)
    assert events[0]["address"] == shown
    assert events[1]["level"] == "warning"
    assert events[1]["event"] == "anyone who reaches this address can use it: there are no users yet"


@pytest.mark.parametrize("scheme", ["postgresql", "mongodb"])
def test_a_store_that_is_away_is_a_warning_without_its_password(tmp_path: Path, scheme: str) -> None:
    key, password = new_key(), "p%2Fw-planted"
    code, events, rest = start(
        tmp_path, STORE_URL=f"{scheme}://engine:{password}@127.0.0.1:9/etl", ENCRYPTION_KEY=key, LOG_LEVEL="debug"
    )
    assert (code, rest) == (0, "")
    (warning,) = [event for event in events if event["level"] == "warning"]
    assert "127.0.0.1:9" in warning["event"]
    assert warning["hint"]
    assert events[0]["key"] == "ENCRYPTION_KEY"
    assert not any(secret in str(events) for secret in (key, password, "p/w-planted"))


def test_a_key_that_does_not_fit_ends_the_start_with_what_to_do(tmp_path: Path) -> None:
    start(tmp_path)
    code, events, rest = start(tmp_path, ENCRYPTION_KEY=new_key())
    assert code == 1
    assert rest.startswith("Locked: The encryption key does not open this store")
    assert "ENCRYPTION_KEY" in rest
    assert [event["event"] for event in events] == ["web started"]


def test_a_wrong_setting_ends_the_start_before_anything_is_made(tmp_path: Path) -> None:
    code, events, rest = start(tmp_path, LOG_LEVEL="loud")
    assert (code, events) == (1, [])
    assert rest.startswith("BadSetting: LOG_LEVEL is 'loud', and must be")
    assert not (tmp_path / "data").exists()
