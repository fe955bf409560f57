"""Fault points: silent unless armed."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from etl_engine.faultpoints import FaultInjected, arm, faultpoint


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm("")


def test_an_unarmed_point_does_nothing() -> None:
    arm("other=raise")
    faultpoint("some")


def test_an_armed_point_raises_at_its_passage_and_no_handler_swallows_it() -> None:
    arm("some=raise@3")
    faultpoint("some")
    faultpoint("some")
    with pytest.raises(FaultInjected, match="some"):
        try:
            faultpoint("some")
        except Exception:  # what ordinary code would do
            pytest.fail("an ordinary handler caught the fault")


def test_kill_is_a_sudden_death() -> None:
    code = "from etl_engine.faultpoints import arm, faultpoint; arm('a=kill'); faultpoint('a'); print('alive')"
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL
    assert died.stdout == ""


@pytest.mark.parametrize("spec", ["a", "a=explode", "a=raise@x"])
def test_a_spec_that_means_nothing_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="name=raise or name=kill"):
        arm(spec)
