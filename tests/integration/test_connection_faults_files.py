"""What can be wrong with a folder of files, or of lake tables, on this machine."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from ladders import Climb, climb, fault

from etl_engine.connectors.contract import StepState, Surroundings, Who
from etl_engine.errors import Cancelled

NOBODY = 65534


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    (made / "exports" / "deep").mkdir(parents=True)
    (made / "exports" / "a.csv").write_text("id\n1\n")
    return made


@pytest.fixture
def allowed(root: Path) -> Surroundings:
    return Surroundings(file_roots=(root,))


@pytest.fixture(params=["files", "lake"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def look(kind: str, allowed: Surroundings, folder: str, **options: Any) -> Climb:
    return climb(kind, allowed, folder=folder, **options)


def test_a_sound_folder_is_well(allowed: Surroundings, root: Path) -> None:
    for name in ("exports", str(root / "exports"), "./exports", "exports/"):
        done = look("files", allowed, name)
        assert done.health.ok, done.health.failure
        assert done.health.version.startswith("pyarrow ")
        assert done.step("files").evidence == "1 file, 5 bytes"
        assert done.step("privileges").evidence.startswith("May be written: yes")


def test_an_empty_folder_works_and_somebody_should_know(kind: str, allowed: Surroundings) -> None:
    done = look(kind, allowed, "exports/deep")
    assert done.health.ok
    assert done.step("files").state is StepState.WARN


def test_no_folder_is_allowed(kind: str) -> None:
    fault(look(kind, Surroundings(), "exports"), "path", "no-file-roots", Who.DBA, "FILE_ROOTS")


@pytest.mark.parametrize("path", ["/etc", "/proc/self", "//etc", "/", "linked", "linked/inner", "chain"])
def test_a_folder_outside_is_refused(kind: str, allowed: Surroundings, root: Path, path: str) -> None:
    outside = root.parent / "outside"
    (outside / "inner").mkdir(parents=True)
    (root / "linked").symlink_to(outside)
    (root / "chain").symlink_to(root / "linked")
    fault(look(kind, allowed, path), "path", "path-outside", Who.YOU, str(root))


@pytest.mark.parametrize("path", ["..", "a/../../x", "../files2"])
def test_a_path_that_leads_out_is_refused(kind: str, allowed: Surroundings, path: str) -> None:
    fault(look(kind, allowed, path), "path", "path-outside", Who.YOU)


@pytest.mark.parametrize("path", ["file:///etc", "s3://bucket/x", "zip::x"])
def test_an_address_is_a_name_like_any_other(kind: str, allowed: Surroundings, path: str) -> None:
    fault(look(kind, allowed, path), "folder", "folder-missing", Who.YOU)


def test_a_folder_that_is_not_there_is_answered_with_one_like_it(kind: str, allowed: Surroundings, root: Path) -> None:
    fault(
        look(kind, allowed, "export"),
        "folder",
        "folder-missing",
        Who.YOU,
        'did you mean "exports"',
        f"mkdir -p {root}/export",
    )
    fault(look(kind, allowed, "no/such"), "folder", "folder-missing", Who.YOU)


def test_a_file_is_no_folder(kind: str, allowed: Surroundings) -> None:
    fault(look(kind, allowed, "exports/a.csv"), "folder", "not-a-folder", Who.YOU)


def test_a_name_that_is_too_long_is_not_there(kind: str, allowed: Surroundings) -> None:
    fault(look(kind, allowed, "x" * 1000), "folder", "folder-not-readable", Who.YOU, "too long")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_folder_that_may_not_be_read_or_written(kind: str, allowed: Surroundings, root: Path, tmp_path: Path) -> None:
    for one in (tmp_path, *tmp_path.parents):
        if one != Path("/"):
            one.chmod(one.stat().st_mode | 0o011)
    root.chmod(0o755)
    (root / "exports").chmod(0o700)
    (root / "open").mkdir(mode=0o755)

    def as_nobody(folder: str) -> Climb:
        os.seteuid(NOBODY)
        try:
            return look(kind, allowed, folder)
        finally:
            os.seteuid(0)

    # access() asks for the real user, who is root here: what counts is that opening it is refused in our words.
    done = as_nobody("exports")
    assert done.health.failure or not done.health.ok
    assert as_nobody("open").health.steps


def test_a_cancelled_test_ends(kind: str, allowed: Surroundings) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(Cancelled):
        look(kind, allowed, "exports", cancelled=cancelled)


def test_a_table_of_the_lake_is_counted(allowed: Surroundings, root: Path) -> None:
    import pyarrow as pa
    from deltalake import write_deltalake

    write_deltalake(str(root / "exports" / "sales" / "orders"), pa.table({"id": [1]}))
    write_deltalake(str(root / "exports" / "people"), pa.table({"id": [1]}))
    done = look("lake", allowed, "exports")
    assert done.step("files").evidence == "2 tables"
    assert done.health.version.startswith("deltalake ")


def test_a_disk_that_does_not_answer_ends_in_time(allowed: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    from collections.abc import Iterator

    from etl_engine.connectors.files.folder import Item
    from etl_engine.connectors.files.local import LocalFolder

    def endless(self: LocalFolder, under: str) -> Iterator[Item]:
        import time

        while True:
            time.sleep(0.01)
            yield Item(".hidden", 1, "")

    monkeypatch.setattr(LocalFolder, "items", endless)
    fault(look("files", allowed, "exports", seconds=0.5), "files", "file-timeout", Who.NETWORK)
