"""What is true of every kind of connector, whatever is on the other side."""

import dataclasses
import json
import re
import socket
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ladders import PASSWORD, climb, connector, fault
from scripted import OK, Script, Scripted, my_packet, my_session, my_start, pg_session, pg_start, pg_welcome, says

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Deadline, Step, StepState, Surroundings, Who

ROOT = Path(__file__).parents[2]
KINDS = sorted(registry.all_kinds())
SERVERS = ("postgresql", "mysql")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def good(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """The values of a connection of this kind that is well, and what surrounds it."""
    if kind == "sqlite":
        sqlite3.connect(tmp_path / "shop.db").close()
        yield {"database": "shop.db"}, Surroundings(file_roots=(tmp_path,))
        return
    if kind == "duckdb":
        duckdb.connect(tmp_path / "shop.duckdb").close()
        yield {"database": "shop.duckdb"}, Surroundings(file_roots=(tmp_path,))
        return
    if kind in ("files", "lake"):
        yield {"folder": "."}, Surroundings(file_roots=(tmp_path,))
        return
    if kind == "s3":
        server = request.getfixturevalue("s3_server")
        yield server.values(server.new_bucket(), secret_key=PASSWORD), Surroundings()
        return
    script = pg_session("PostgreSQL 15.3 on x86_64") if kind == "postgresql" else my_session("8.0.35")
    with Scripted(script) as server:
        values = {"host": server.host, "port": server.port, "database": "shop", "username": "etl", "password": PASSWORD}
        yield values, Surroundings()


def run(code: str) -> Any:
    """What a fresh Python prints, as JSON."""
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT).stdout)


def test_the_kinds_of_the_first_release_are_there() -> None:
    assert {"postgresql", "mysql", "sqlite", "files", "s3", "lake"} <= set(KINDS)


def test_knowing_the_kinds_loads_no_driver() -> None:
    drivers = sorted({each.driver for each in registry.all_kinds().values()} | {"sqlalchemy", "psycopg2", "pymysql"})
    loaded = run(
        "import sys, json; from etl_engine.connectors import registry; registry.draft_adapter(); registry.all_kinds();"
        f"print(json.dumps([name for name in {drivers} if name in sys.modules]))"
    )
    assert loaded == []


def test_making_a_connector_loads_no_driver_and_opens_nothing() -> None:
    loaded = run(
        "import sys, json, socket\n"
        "from etl_engine.connectors import registry; from etl_engine.connectors.contract import Surroundings\n"
        "registry.all_kinds(); socket.socket = None\n"
        "for name, more in (('postgresql', {'host': 'x.test', 'username': 'u', 'password': 'p'}),"
        "                   ('mysql', {'host': 'x.test', 'username': 'u', 'password': 'p'}), ('sqlite', {})):\n"
        "    values = {'name': 'n', 'db_type': name, 'database': 'd', **more}\n"
        "    config = registry.draft_adapter().validate_python(values)\n"
        "    registry.kind(name).make(config, Surroundings()).close()\n"
        "print(json.dumps([name for name in ('psycopg2', 'pymysql', 'sqlite3', 'sqlalchemy') if name in sys.modules]))"
    )
    assert loaded == []


def test_a_kind_says_everything_about_itself(kind: str) -> None:
    record = registry.kind(kind)
    assert record.name == kind
    assert record.title and record.summary.endswith(".")
    assert record.config.model_fields["db_type"].annotation.__args__ == (kind,)  # type: ignore[union-attr]
    assert len(record.setup) > 100
    assert record.rungs and {step.state for step in record.rungs} == {StepState.PENDING}
    assert len({step.key for step in record.rungs}) == len(record.rungs)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert record.extra in extras


def test_the_guide_of_a_kind_speaks_only_of_its_own_fields(kind: str) -> None:
    record = registry.kind(kind)
    for place in re.findall(r"\{(\w+)\}", record.setup):
        assert place in record.config.model_fields


def test_no_spelling_means_two_kinds() -> None:
    spellings = [spelling for each in registry.all_kinds().values() for spelling in (each.name, *each.aliases)]
    assert len(spellings) == len(set(spellings))


def test_the_schema_of_a_kind_makes_a_form(kind: str) -> None:
    schema = registry.kind(kind).config.model_json_schema()
    assert schema["additionalProperties"] is False
    for name, field in schema["properties"].items():
        assert field.get("title"), f"{name} has no title"


def test_a_sound_connection_passes_every_rung(kind: str, good: Any) -> None:
    values, surroundings = good
    done = climb(kind, surroundings, **values)
    assert done.health.ok, done.health.failure
    assert done.health.failure is None
    assert [step.key for step in done.health.steps] == [step.key for step in registry.kind(kind).rungs]
    assert done.health.ms < 2000


def test_a_driver_that_is_missing_names_what_to_install(kind: str, good: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values, surroundings = good
    record = registry.kind(kind)
    monkeypatch.setitem(sys.modules, record.driver, None)
    done = climb(kind, surroundings, **values)
    step = {"sqlite": "database", "duckdb": "database", "files": "files", "lake": "files"}.get(kind, "login")
    failure = fault(done, step, "driver-missing", Who.YOU, record.driver)
    assert failure.fix == f'pip install "etl-engine[{record.extra}]"'


def test_every_step_is_told_before_the_check_ends(kind: str, good: Any) -> None:
    values, surroundings = good
    done = climb(kind, surroundings, **values)
    last = {step.key: step for step in done.reported}
    assert tuple(last[step.key] for step in done.health.steps) == done.health.steps


def test_a_listener_that_fails_stops_the_check_and_leaves_nothing_open(kind: str, good: Any) -> None:
    values, surroundings = good
    made = connector(kind, surroundings, **values)

    def failing_at(rung: str) -> Callable[[Step], None]:
        def listener(step: Step) -> None:
            if step.key == rung:
                raise ValueError("the screen is gone")

        return listener

    for rung in registry.kind(kind).rungs:
        with pytest.raises(ValueError, match="the screen is gone"):
            made.check(Deadline(5.0), failing_at(rung.key))
    made.close()


def test_a_secret_is_in_no_representation(kind: str, good: Any) -> None:
    values, surroundings = good
    made = connector(kind, surroundings, **values)
    made.check(Deadline(5.0), lambda _: None)
    assert PASSWORD not in repr(made) + repr(vars(made))
    made.close()


def test_a_step_is_plain_data() -> None:
    step = Step("dns", "Host name")
    assert dataclasses.asdict(step)["state"] == "pending"
    with pytest.raises(dataclasses.FrozenInstanceError):
        step.state = StepState.PASS  # type: ignore[misc]


def test_the_wrong_config_is_refused_by_name(kind: str) -> None:
    stranger = {"sqlite": "postgresql"}.get(kind, "sqlite")
    values = {"name": "x", "db_type": stranger, "database": "d"}
    if stranger != "sqlite":
        values |= {"host": "h.test", "username": "u", "password": "p"}
    config = registry.draft_adapter().validate_python(values)
    with pytest.raises(TypeError, match="is not the config of"):
        registry.kind(kind).make(config, Surroundings())


JUNK = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda n, body: len(body).to_bytes(3, "little") + bytes([n]) + body, st.integers(0, 3), st.binary(max_size=80)
    ),
    st.builds(
        lambda kind, body: kind + (len(body) + 4).to_bytes(4, "big") + body,
        st.sampled_from([b"R", b"E", b"S", b"N"]),
        st.binary(max_size=80),
    ),
    st.lists(
        st.sampled_from([b"S", b"N", b"E", b"R\0\0\0\x08\0\0\0\0", b"\x0a8.0.1\0", b"\xff\x15\x04#28000x"]), max_size=6
    ).map(b"".join),
)


@pytest.mark.parametrize("kind", SERVERS)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=JUNK)
def test_no_words_of_a_server_make_a_check_raise_or_hang(
    kind: str, words: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl_engine.connectors.guess.PATIENCE_SECONDS", 0.01)
    with Scripted(says(words)) as server:
        done = climb(kind, against=server, seconds=0.25)
    assert not done.health.ok
    assert done.health.failure and done.health.failure.code != "unexpected"


def answering_with(kind: str, words: bytes) -> Script:
    """Lets everybody in, and then answers every question with these words."""

    def script(client: socket.socket) -> None:
        if kind == "postgresql":
            client, _ = pg_start(client)
            pg_welcome(client)
        else:
            client, sequence = my_start(client)
            client.sendall(my_packet(sequence, OK))
        while client.recv(4096):
            client.sendall(words)

    return script


@pytest.mark.parametrize("kind", SERVERS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(words=JUNK)
def test_no_answer_to_a_query_makes_a_check_raise_or_hang(kind: str, words: bytes) -> None:
    with Scripted(answering_with(kind, words)) as server:
        done = climb(kind, against=server, seconds=0.25)
    assert done.health.failure and done.health.failure.code != "unexpected"


@pytest.mark.parametrize("kind", SERVERS)
def test_a_check_opens_no_socket_by_itself_to_a_name(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses are resolved once, here; no driver may resolve again."""

    def create_connection(*_: Any, **__: Any) -> None:
        raise AssertionError("a driver opened a connection of its own")

    monkeypatch.setattr(socket, "create_connection", create_connection)
    script = pg_session("PostgreSQL 15.3") if kind == "postgresql" else my_session("8.0.35")
    with Scripted(script) as server:
        assert climb(kind, against=server).step("version").state is StepState.PASS
