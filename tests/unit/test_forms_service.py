"""Forms: what they start with, texts made into values, and one field checked at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_kind import Script, draft, opened_context, registered

from etl_engine.errors import BadInput, Denied, NotFound
from etl_engine.services import connection_tests, connections, forms
from etl_engine.services.context import Actor, Context

TYPED = {
    "name": "Shop",
    "db_type": "scripted",
    "host": "db.example.com",
    "port": "7000",
    "database": "shop",
    "username": "me",
    "password": "secret",
    "tls_mode": "prefer",
    "tls_ca": "",
    "tls_server_name": "",
    "tls_cert": "",
    "tls_key": "",
}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    with registered(monkeypatch) as script:
        yield script


@pytest.fixture
def ctx(tmp_path: Path, script: Script) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def stored(ctx: Context) -> str:
    return connections.create(ctx, draft(password="st0red-pw", tls_cert="CERT\nline", tls_key="KEY")).id


def typed(**more: Any) -> dict[str, Any]:
    return TYPED | more


def problems(values: dict[str, Any], ctx: Context) -> dict[str, str]:
    with pytest.raises(BadInput) as caught:
        forms.draft(ctx, values)
    return {problem.pointer: problem.code for problem in caught.value.problems}


def test_an_empty_form_is_of_the_kind_that_is_asked_for(ctx: Context) -> None:
    form = forms.blank(ctx, "scripted")
    assert form.kind.db_type == "scripted" and form.kinds["scripted"] == "Scripted"
    assert [(step.key, step.state) for step in form.steps] == [("tcp", "pending"), ("login", "pending")]
    assert (form.values, form.kept, form.connection_id, form.revision) == ({}, frozenset(), "", 0)


def test_an_empty_form_is_of_the_first_kind_where_none_is_named(ctx: Context) -> None:
    form = forms.blank(ctx)
    assert form.kind.db_type == next(iter(form.kinds))


def test_there_is_no_form_of_an_unknown_kind_or_connection(ctx: Context) -> None:
    with pytest.raises(NotFound, match="There is no kind 'oracle'"):
        forms.blank(ctx, "oracle")
    for wrong in ("0" * 24, "nonsense", "", "\0", "x" * 100_000):
        with pytest.raises(NotFound):
            forms.filled(ctx, wrong)


def test_a_filled_form_holds_everything_but_secrets(ctx: Context, stored: str) -> None:
    form = forms.filled(ctx, stored)
    assert form.values["host"] == "db.example.com" and form.values["port"] == "7000"
    assert form.values["tls_cert"] == "CERT\nline" and "tls_ca" not in form.values
    assert form.kept == {"password", "tls_key"} and not form.kept & form.values.keys()
    assert "st0red-pw" not in repr(form) and "KEY" not in repr(form)
    assert (form.connection_id, form.revision) == (stored, 1)


def test_texts_become_the_values_that_their_fields_want(ctx: Context) -> None:
    config = forms.draft(ctx, typed(port=" 5433 ")).revealed()
    assert (config["port"], config["password"], config["tls_ca"]) == (5433, "secret", None)


def test_a_default_stands_where_nothing_was_entered(ctx: Context) -> None:
    assert forms.draft(ctx, typed(port="")).revealed()["port"] == 7000


def test_every_wrong_field_is_named(ctx: Context) -> None:
    wrong = typed(name=" ", host="a,b", port="3306abc", database="", password="", tls_mode="maybe", colour="red")
    assert problems(wrong, ctx) == {
        "/name": "empty",
        "/host": "invalid",
        "/port": "wrong-type",
        "/database": "required",
        "/password": "required",
        "/tls_mode": "not-a-choice",
        "/colour": "unknown-field",
    }


@pytest.mark.parametrize("port", ["0", "65536", "-1", "9" * 18, "9" * 40, "1.5", "٣٣٠٦", "0x10", "1e3", "\0", " "])
def test_a_port_is_a_number_of_a_port(port: str, ctx: Context) -> None:
    assert problems(typed(port=port), ctx).keys() == {"/port"}


@pytest.mark.parametrize("value", [None, 5, 1.5, True, [], ["x"], {}, {"x": 1}], ids=repr)
def test_what_is_no_text_is_refused_by_its_field(value: object, ctx: Context) -> None:
    assert problems(typed(host=value), ctx).keys() == {"/host"}


def test_a_huge_form_is_refused_at_once(ctx: Context) -> None:
    with pytest.raises(BadInput, match="300 fields"):
        forms.draft(ctx, {f"field{number}": "x" for number in range(300)})
    assert problems(typed(host="x" * 1_000_000), ctx) == {"/host": "too-long"}


def test_an_unknown_kind_is_a_problem_of_its_field(ctx: Context) -> None:
    for wrong in ("oracle", "", None, 7, [], {}):
        assert "/db_type" in problems(typed(db_type=wrong), ctx)


def test_a_form_that_was_not_touched_changes_nothing(ctx: Context, stored: str) -> None:
    form = forms.filled(ctx, stored)
    assert forms.changes(ctx, stored, form.values | {"password": "", "tls_key": "", "tls_ca": ""}) == {}


def test_a_text_area_may_end_its_lines_in_its_own_way(ctx: Context, stored: str) -> None:
    form = forms.filled(ctx, stored)
    assert forms.changes(ctx, stored, form.values | {"tls_cert": "CERT\r\nline"}) == {}
    assert forms.changes(ctx, stored, form.values | {"tls_cert": "CERT\nother"}) == {"tls_cert": "CERT\nother"}


def test_only_what_differs_is_a_change(ctx: Context, stored: str) -> None:
    form = forms.filled(ctx, stored)
    typed = form.values | {"name": "Other", "port": "7001", "password": "new", "tls_mode": "require"}
    wanted = {"name": "Other", "port": 7001, "password": "new", "tls_mode": "require"}
    assert forms.changes(ctx, stored, typed) == wanted


def test_a_space_at_the_end_of_a_database_name_counts(ctx: Context, stored: str) -> None:
    assert forms.changes(ctx, stored, forms.filled(ctx, stored).values | {"database": "shop "}) == {"database": "shop "}


def test_a_stored_secret_goes_only_when_it_is_said(ctx: Context, stored: str) -> None:
    form = forms.filled(ctx, stored)
    assert forms.changes(ctx, stored, form.values | {"tls_cert": ""}, ["tls_key"]) == {
        "tls_cert": None,
        "tls_key": None,
    }
    changed = connections.update(ctx, stored, forms.changes(ctx, stored, form.values | {"tls_cert": ""}, ["tls_key"]))
    assert (changed.tls_cert, changed.tls_key) == (None, None)  # type: ignore[attr-defined]


def test_what_is_emptied_is_refused_where_it_is_required(ctx: Context, stored: str) -> None:
    patch = forms.changes(ctx, stored, forms.filled(ctx, stored).values | {"host": ""})
    assert patch == {"host": None}
    with pytest.raises(BadInput, match="host is required"):
        connections.update(ctx, stored, patch)


def test_changes_of_a_form_can_be_tested_and_saved(ctx: Context, stored: str, script: Script) -> None:
    patch = forms.changes(ctx, stored, forms.filled(ctx, stored).values | {"host": "other.example.com"})
    result = connection_tests.test_saved(ctx, stored, patch)
    saved = connections.update(ctx, stored, patch, revision=1, receipt=result.details.receipt or "")
    assert saved.last_test_status == "success" and script.configs[-1].revealed()["password"] == "st0red-pw"


def test_another_kind_keeps_the_secret_and_gets_a_port_of_its_own(ctx: Context, stored: str) -> None:
    values = forms.filled(ctx, stored).values | {"db_type": "postgresql", "port": "7000"}
    patch = forms.changes(ctx, stored, values)
    assert patch == {"db_type": "postgresql", "port": 7000}
    saved = connections.update(ctx, stored, patch)
    assert (saved.db_type, saved.port, saved.password.get_secret_value()) == ("postgresql", 7000, "********")  # type: ignore[attr-defined]


def test_an_unknown_field_is_not_dropped_in_silence(ctx: Context, stored: str) -> None:
    patch = forms.changes(ctx, stored, forms.filled(ctx, stored).values | {"colour": "red"})
    with pytest.raises(BadInput, match="colour is not a field"):
        connections.update(ctx, stored, patch)


def said(ctx: Context, name: str, value: object, **more: Any) -> str:
    found = forms.problem(ctx, "scripted", name, value, **more)
    return found.code if found else ""


def test_one_field_is_checked_alone(ctx: Context) -> None:
    assert said(ctx, "host", "db.example.com") == ""
    assert said(ctx, "host", "https://db.example.com") == "invalid"
    assert said(ctx, "host", "") == "required"
    assert said(ctx, "port", "") == ""
    assert said(ctx, "port", "3306abc") == "wrong-type"
    assert said(ctx, "port", "70000") == "out-of-range"
    assert said(ctx, "tls_ca", "") == ""
    assert said(ctx, "password", "") == "required"
    assert said(ctx, "password", "", kept=True) == ""
    assert said(ctx, "colour", "red") == "unknown-field"


def test_a_taken_name_is_said_with_who_has_it(ctx: Context, stored: str) -> None:
    found = forms.problem(ctx, "scripted", "name", "  sHOP ")
    assert found and (found.code, found.message) == ("taken", "is taken by the Scripted connection 'Shop'")
    assert said(ctx, "name", "Shop", connection_id=stored) == ""
    assert said(ctx, "name", "Shop 2") == ""


def test_everything_about_forms_needs_a_right(ctx: Context, stored: str) -> None:
    nobody = ctx.for_request("r", Actor("nobody"))
    for call in (
        lambda: forms.blank(nobody),
        lambda: forms.filled(nobody, stored),
        lambda: forms.draft(nobody, TYPED),
        lambda: forms.changes(nobody, stored, TYPED),
        lambda: forms.problem(nobody, "scripted", "host", "x"),
    ):
        with pytest.raises(Denied):
            call()
