"""Every class of the error tree has a status of its own choice, a code of its own, and an entry in /docs/errors."""

import importlib
import pkgutil
from collections import Counter

import pytest

import etl_engine
from etl_engine.api.problem import STATUS, all_errors, status_of, title_of
from etl_engine.errors import EtlError

for _module in pkgutil.walk_packages(etl_engine.__path__, "etl_engine."):
    # The screen's modules need a Reflex app around them; they raise the tree's errors and define none.
    if not _module.name.startswith(("etl_engine.ui", "etl_engine.etl_engine")):
        importlib.import_module(_module.name)

ERRORS = [error for error in all_errors() if error.__module__.startswith("etl_engine.")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_has_a_status_and_a_title(error: type[EtlError]) -> None:
    assert error in STATUS, f"give {error.__name__} a status in etl_engine/api/problem.py"
    assert 400 <= status_of(error) <= 599
    assert title_of(error), f"{error.__name__} needs a docstring: its first line is the title"


def test_no_two_errors_share_a_code() -> None:
    twice = [code for code, times in Counter(error.code for error in ERRORS).items() if times > 1]
    assert not twice, f"programs switch on the code, so each error needs its own: {twice}"


def test_no_status_is_kept_for_an_error_that_is_gone() -> None:
    assert set(STATUS) == set(ERRORS)
