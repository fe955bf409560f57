"""The parts of the form: fields from a schema, the guide, and the ladder in words."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_kind import opened_context

from etl_engine.model.connection import StepReport, TestDetails, TestResult
from etl_engine.services import kinds
from etl_engine.services.context import Context
from etl_engine.services.forms import Form, LastTest
from etl_engine.services.kinds import KindInfo
from etl_engine.ui.connection_form import containers, ladder
from etl_engine.ui.connection_form.fields import KEPT, Field, every, fields_of
from etl_engine.ui.connection_form.guide import Block, Part, guide_of

TEN = dt.datetime(2026, 11, 20, 10, tzinfo=dt.UTC)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


def form_of(
    properties: dict[str, Any], required: tuple[str, ...] = (), secret: tuple[str, ...] = (), **more: Any
) -> Form:
    schema = {"properties": properties, "required": list(required)}
    kind = KindInfo(
        db_type="new", title="New", summary="", aliases=[], setup="", schema=schema, secret_fields=list(secret)
    )
    return Form(kind, {"new": "New"}, (), **more)


def field_of(declared: dict[str, Any], **more: Any) -> Field:
    shown, folds = fields_of(form_of({"one": declared}, **more))
    return every(shown, folds)[0]


@pytest.mark.parametrize(
    ("declared", "widget"),
    [
        ({"type": "string"}, "text"),
        ({"type": "integer"}, "number"),
        ({"type": "number"}, "number"),
        ({"type": "boolean"}, "check"),
        ({"enum": ["a", "b"]}, "select"),
        ({"type": "string", "multiline": True}, "area"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "number"),
        ({"anyOf": [{"enum": ["a"]}, {"type": "null"}]}, "select"),
    ],
    ids=str,
)
def test_a_schema_decides_the_control(declared: dict[str, Any], widget: str) -> None:
    assert field_of(declared).widget == widget


def test_a_secret_is_a_password_and_a_long_one_an_area() -> None:
    assert field_of({"type": "string"}, secret=("one",)).widget == "secret"
    assert field_of({"type": "string", "multiline": True}, secret=("one",)).widget == "secret-area"


def test_a_schema_says_everything_that_a_field_shows() -> None:
    declared = {"title": "Bucket", "description": "Where it is.", "placeholder": "my-bucket", "default": "main"}
    one = field_of(declared)
    assert (one.title, one.hint, one.placeholder, one.value, one.default) == (
        "Bucket", "Where it is.", "my-bucket", "main", "main",
    )  # fmt: skip
    assert not one.required and not one.optional
    assert field_of({"type": "string"}).optional
    assert field_of({"type": "string"}, required=("one",)).required
    assert field_of({"default": True, "type": "boolean"}).value == "true"


def test_a_stored_value_is_shown_and_a_stored_secret_is_not() -> None:
    assert field_of({"type": "string", "default": "a"}, values={"one": "b"}).value == "b"
    kept = field_of({"type": "string"}, required=("one",), secret=("one",), kept=frozenset({"one"}))
    assert (kept.value, kept.placeholder, kept.required, kept.removable) == ("", KEPT, False, False)
    assert field_of({"type": "string"}, secret=("one",), kept=frozenset({"one"})).removable


def test_groups_are_folded_away_until_something_in_them_is_set() -> None:
    properties = {"a": {"type": "string"}, "b": {"type": "string", "group": "tls", "default": "x"}}
    _, (fold,) = fields_of(form_of(properties))
    assert (fold.name, fold.title, fold.opened) == ("tls", "TLS and advanced", False)
    _, (fold,) = fields_of(form_of(properties, values={"b": "y"}))
    assert fold.opened


def test_the_kind_is_no_field_and_the_first_field_takes_the_focus() -> None:
    shown, _ = fields_of(form_of({"name": {"type": "string"}, "db_type": {"const": "new"}, "b": {"type": "string"}}))
    assert [(one.name, one.first) for one in shown] == [("name", True), ("b", False)]


def widths(*types: str) -> list[str]:
    properties: dict[str, Any] = {"name": {"type": "string"}}
    properties |= {f"f{number}": {"type": type_} for number, type_ in enumerate(types)}
    shown, _ = fields_of(form_of(properties))
    return [one.width for one in shown[1:]]


def test_numbers_stand_beside_texts_and_texts_in_pairs() -> None:
    assert widths("string", "integer", "string", "string") == ["wide", "narrow", "half", "half"]
    assert widths("string", "string", "string") == ["half", "half", "full"]
    assert widths("integer", "string") == ["full", "full"]
    assert widths("string", "boolean", "string") == ["full", "full", "full"]


def test_every_kind_has_a_form_and_every_field_of_it_a_name_for_people(ctx: Context) -> None:
    for kind in kinds.list_(ctx):
        shown, folds = fields_of(Form(kind, {}, ()))
        assert {one.name for one in every(shown, folds)} == kind.config_schema["properties"].keys() - {"db_type"}
        for one in every(shown, folds):
            assert one.title[0].isupper() and "_" not in one.title, (kind.db_type, one.name)
            assert one.widget != "secret" or one.hint


# The guide


def test_a_guide_has_what_to_read_and_what_to_copy() -> None:
    blocks = guide_of("Run\nthis as `root`:\n\n```sql\nGRANT {database} TO {username};\n```\n\nDone.", "me", "shop")
    assert blocks == [
        Block(parts=[Part("Run this as "), Part("root", code=True), Part(":")]),
        Block(code="GRANT shop TO me;"),
        Block(parts=[Part("Done.")]),
    ]


@pytest.mark.parametrize("name", ["", "a b", 'x"; DROP ROLE y; --', "a'b", "a`b", "été", "x" * 100, "{database}"])
def test_a_name_that_would_need_quotes_stays_a_placeholder(name: str) -> None:
    (block,) = guide_of("```\n{username} {database}\n```", name, "shop")
    assert block.code == "your_username shop"


def test_every_kind_says_how_to_prepare_the_other_side(ctx: Context) -> None:
    for kind in kinds.list_(ctx):
        blocks = guide_of(kind.setup, "reader", "shop")
        assert any(block.code for block in blocks), kind.db_type
        text = " ".join([block.code + "".join(part.text for part in block.parts) for block in blocks])
        assert "{" not in text and "```" not in text


# The ladder


def step(key: str, state: Any, **more: Any) -> StepReport:
    return StepReport(key=key, title=key.title(), state=state, **more)


def result(*steps: StepReport, version: str | None = None, success: bool = False) -> TestResult:
    details = TestDetails(db_type="new", version=version, ms=1234.5, steps=list(steps))
    return TestResult(success=success, message="Login: no", details=details)


def test_news_take_the_place_of_their_step() -> None:
    rungs = ladder.rungs_of([step("dns", "pending"), step("tcp", "pending")])
    rungs = ladder.climbed(rungs, [step("dns", "running"), step("dns", "pass", ms=3.2, evidence="10.0.0.1")])
    assert [(rung.key, rung.state, rung.text, rung.time) for rung in rungs] == [
        ("dns", "pass", "10.0.0.1", "3 ms"),
        ("tcp", "pending", "", ""),
    ]
    assert [rung.key for rung in ladder.climbed(rungs, [step("cdc", "pass")])] == ["dns", "tcp", "cdc"]


def test_another_test_stands_beside_the_one_before() -> None:
    steps = [step("a", "pass"), step("b", "fail"), step("c", "skipped")]
    rungs = ladder.again(ladder.rungs_of(steps), "2026-11-20T10:00:00+00:00")
    assert [(rung.state, rung.before) for rung in rungs] == [
        ("pending", "was OK"),
        ("pending", "had failed"),
        ("pending", ""),
    ]
    rungs = ladder.climbed(rungs, [step("a", "running")])
    assert (rungs[0].state, rungs[0].before, rungs[0].before_at) == ("running", "was OK", "2026-11-20T10:00:00+00:00")
    rungs = ladder.ended(ladder.stopped(rungs), result(step("a", "pass"), step("b", "pass"), step("c", "warn")))
    assert [(rung.state, rung.before) for rung in rungs] == [("pass", "was OK"), ("pass", "had failed"), ("warn", "")]
    later = ladder.again(ladder.waiting(rungs), "2026-11-20T11:00:00+00:00")  # of a test that said nothing
    assert [rung.before for rung in later] == ["was OK", "had failed", ""]


@pytest.mark.parametrize(
    ("last", "before"),
    [
        (LastTest(TEN, True, "Connection successful"), ["was OK", "was OK", "was OK"]),
        (LastTest(TEN, False, "B: it is broken"), ["was OK", "had failed", ""]),
        (LastTest(TEN, False, "words of an older version"), ["", "", ""]),
        (None, ["", "", ""]),
    ],
    ids=["success", "failure", "unknown-step", "untested"],
)
def test_a_stored_result_says_how_each_step_was(last: LastTest | None, before: list[str]) -> None:
    rungs = ladder.remembered(ladder.rungs_of([step(key, "pending") for key in "abc"]), last)
    assert [rung.before for rung in rungs] == before
    assert {rung.before_at for rung in rungs if rung.before} <= {TEN.isoformat()}


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv"])
def test_a_container_is_known_by_its_mark(mark: str, tmp_path: Path) -> None:
    assert not containers.in_container(tmp_path)
    other = tmp_path / "other"
    (other / mark).parent.mkdir(parents=True)
    (other / mark).touch()
    assert containers.in_container(other)


def test_a_pod_is_known_by_its_mounts(tmp_path: Path) -> None:
    mounts = tmp_path / "proc" / "self" / "mountinfo"
    mounts.parent.mkdir(parents=True)
    mounts.write_text("810 804 254:1 /var/lib/kubelet/pods/6f0a/etc-hosts /etc/hosts rw - ext4 /dev/vda1 rw\n")
    assert containers.in_container(tmp_path)


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        (" LOCALHOST. ", True),
        ("app.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("db.example.com", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_a_host_inside_the_container_is_advised_against(host: str, here: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "in_container", lambda: True)
    assert bool(containers.advice(host)) == here
    monkeypatch.setattr(containers, "in_container", lambda: False)
    assert containers.advice(host) == ""


def test_a_cancelled_ladder_says_where_it_stopped() -> None:
    rungs = ladder.stopped(ladder.rungs_of([step("a", "pass"), step("b", "running"), step("c", "pending")]))
    assert [(rung.state, rung.text) for rung in rungs] == [
        ("pass", ""),
        ("skipped", "Cancelled"),
        ("skipped", "Not reached"),
    ]


@pytest.mark.parametrize(
    ("title", "version", "headline"),
    [
        ("PostgreSQL", "PostgreSQL 15.3 on x86_64-pc-linux-gnu, compiled by gcc, 64-bit", "PostgreSQL 15.3"),
        ("MySQL / MariaDB", "8.0.35", "MySQL 8.0.35"),
        ("MySQL / MariaDB", "10.11.6-MariaDB-0+deb12u1", "MariaDB 10.11.6"),
        ("MySQL / MariaDB", "5.7.44-log", "MySQL 5.7.44"),
        ("SQLite", "3.45.1", "SQLite 3.45.1"),
        ("New", "", "New"),
    ],
)
def test_a_version_has_a_headline(title: str, version: str, headline: str) -> None:
    assert ladder.product(title, version) == headline


@pytest.mark.parametrize(
    ("fix", "command"),
    [
        ('GRANT CONNECT ON DATABASE "a" TO "b";', True),
        ("# In pg_hba.conf, then SELECT pg_reload_conf();\nhost a b 10.0.0.0/8 scram-sha-256", True),
        ('pip install "etl-engine[mysql]"', True),
        ("Type the password again; if it is right, ask the DBA to look at: SELECT 1;", False),
        ("Check the port: PostgreSQL usually listens on 5432.", False),
        ("DNS servers must answer.", False),
        ("", False),
    ],
)
def test_a_command_is_told_from_a_sentence(fix: str, command: bool) -> None:
    assert ladder.failure_of(result(step("login", "fail", fix=fix))).command is command


def test_a_report_holds_the_whole_ladder_and_breaks_no_table() -> None:
    failed = step("login", "fail", cause="a | b\nc", fix="GRANT x;", who="dba", code="x")
    report = ladder.report_of(
        "New", result(step("tcp", "pass", ms=2, evidence="10.0.0.1"), failed, step("db", "skipped"))
    )
    assert "| Tcp | Passed | 2 ms | 10.0.0.1 |" in report
    assert "| Login | Failed | <1 ms | a \\| b c |" in report
    assert "| Db | Not reached |  | Not reached |" in report
    assert "For the database administrator" in report and "GRANT x;" in report and "1.2 s" in report


def test_a_fault_that_one_field_repairs_points_at_it() -> None:
    assert ladder.field_of(result(step("login", "fail", code="wrong-password"))) == "password"
    assert ladder.field_of(result(step("login", "fail", code="host-not-allowed"))) == ""
    assert ladder.field_of(result(step("login", "pass"), success=True)) == ""
