"""Connections of files, buckets and lakes as they are stored, masked and refused."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scripted_kind import opened_context

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Surroundings
from etl_engine.connectors.files.finding import translated
from etl_engine.connectors.files.folder import checked
from etl_engine.errors import BadInput
from etl_engine.services import connections
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context

KEYS = {"access_key": "AKIATEST", "secret_key": "a-secret-of-this-test"}
GOOD = [
    {"db_type": "files"},
    {"db_type": "files", "folder": "exports/daily", "csv_delimiter": "tab", "csv_types": "infer"},
    {"db_type": "s3", "bucket": "my-data"},
    {"db_type": "s3", "bucket": "my-data", "prefix": "raw/", **KEYS},
    {"db_type": "lake"},
    {"db_type": "lake", "bucket": "my-data", **KEYS},
]


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.mark.parametrize("values", GOOD, ids=lambda values: "-".join(map(str, values.values())).replace("/", "."))
def test_a_connection_is_stored_and_comes_back_without_its_secret(ctx: Context, values: dict[str, str]) -> None:
    saved = connections.create(ctx, as_config({"name": "one", **values}))
    found = connections.get(ctx, saved.id)
    told = found.model_dump(mode="json")
    assert told["db_type"] == values["db_type"]
    assert "a-secret-of-this-test" not in str(told)
    if "secret_key" in type(found).model_fields:
        assert told["secret_key"] == ("********" if "secret_key" in values else None)


@pytest.mark.parametrize(
    "values",
    [
        {"db_type": "files", "csv_delimiter": "ab"},
        {"db_type": "files", "csv_delimiter": "a"},
        {"db_type": "files", "csv_delimiter": '"'},
        {"db_type": "files", "csv_encoding": "rot13"},
        {"db_type": "files", "write_megabytes": 0},
        {"db_type": "files", "storage_options": "x"},
        {"db_type": "s3"},
        {"db_type": "s3", "bucket": "a/b"},
        {"db_type": "s3", "bucket": "my-data", "access_key": "AKIA"},
        {"db_type": "s3", "bucket": "my-data", "secret_key": "x"},
        {"db_type": "s3", "bucket": "my-data", "host": "http://x"},
        {"db_type": "s3", "bucket": "my-data", "endpoint_url": "http://x"},
        {"db_type": "s3", "bucket": "my-data", "region": "EU WEST"},
    ],
    ids=lambda values: "-".join(map(str, values.values())).replace("/", "."),
)
def test_what_could_lead_elsewhere_is_no_connection(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        registry.draft_adapter().validate_python({"name": "x", **values})


@pytest.mark.parametrize("prefix", ["../x", "a/../b", "x::y", "s3://x"])
@pytest.mark.parametrize("kind", ["s3", "lake"])
def test_a_prefix_that_leads_elsewhere_opens_nothing(kind: str, prefix: str) -> None:
    field = "prefix" if kind == "s3" else "folder"
    values = {"db_type": kind, "bucket": "my-data", "host": "127.0.0.1", field: prefix}
    config = registry.draft_adapter().validate_python({"name": "x", **values})
    with pytest.raises(BadInput):
        registry.kind(kind).make(config, Surroundings()).open_source()


def test_whole_numbers_are_whole_however_they_are_written() -> None:
    config = registry.draft_adapter().validate_python({"name": "x", "db_type": "files", "write_megabytes": 728.0})
    assert config.write_megabytes == 728


def test_a_key_from_a_file_is_the_key_without_the_line_break() -> None:
    config = as_config({"name": "x", "db_type": "s3", "bucket": "my-data", "access_key": "A", "secret_key": "key\r\n"})
    assert config.revealed()["secret_key"] == "key"


@given(st.text(max_size=40))
def test_a_path_that_is_taken_never_leads_out(path: str) -> None:
    try:
        made = checked(path)
    except BadInput:
        return
    parts = made.split("/")
    assert ".." not in parts and "" not in parts and "." not in parts
    assert not made.startswith(("/", "~")) and "\0" not in made and "\\" not in made


@given(st.text(alphabet="ab*?[]!/.^-\\(|", max_size=12))
def test_every_pattern_is_an_expression_that_stays_in_its_folders(pattern: str) -> None:
    try:
        expression = re.compile(translated(pattern))
    except re.error:
        # A range that runs backwards, as in [b-a]: it is told as a pattern that cannot be read.
        assert "[" in pattern
        return
    if "**" not in pattern and "/" not in pattern:
        assert not expression.fullmatch("a/b")


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "x/a.csv", False),
        ("**/*.csv", "a.csv", True),
        ("**/*.csv", "x/y/a.csv", True),
        ("x/**", "x/y/a.csv", True),
        ("a?.csv", "ab.csv", True),
        ("a?.csv", "a/.csv", False),
        ("[ab].csv", "b.csv", True),
        ("[!ab].csv", "b.csv", False),
        ("[!ab].csv", "c.csv", True),
        ("a+.csv", "aa.csv", False),
        ("a[.csv", "a[.csv", True),
    ],
    ids=lambda value: str(value).replace("/", "|"),
)
def test_patterns_mean_what_shells_mean(pattern: str, path: str, matches: bool) -> None:
    assert bool(re.fullmatch(translated(pattern), path)) is matches
