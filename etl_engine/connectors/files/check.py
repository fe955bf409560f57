"""The check of a folder of this machine: where it is, whether it can be read, whether it can be written."""

import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from etl_engine.connectors import names
from etl_engine.connectors.addresses import SLICE_SECONDS
from etl_engine.connectors.contract import Deadline, Health, Step, Surroundings, Who
from etl_engine.connectors.fault import Fault, OutOfTime
from etl_engine.connectors.files.formats import is_hidden
from etl_engine.connectors.files.local import LocalFolder
from etl_engine.connectors.ladder import Ladder
from etl_engine.errors import BadInput, Refused

RUNGS = (
    Step("path", "Path"),
    Step("folder", "Folder"),
    Step("files", "Files"),
    Step("privileges", "Privileges"),
)
_MOST = 1_000  # of files that are counted
_SHARE = 0.5  # of the time that counting them may take


def allowed_folder(typed: str, surroundings: Surroundings) -> Path:
    """The real path of the folder, inside the ones that the operator allows. Raises Fault."""
    roots = [Path(os.path.realpath(root)) for root in surroundings.file_roots]
    if not roots:
        raise Fault(
            "no-file-roots", "No folder is open for file connections", "Have the operator set FILE_ROOTS.", Who.DBA
        )
    try:
        candidates = [Path(os.path.realpath(root / typed)) for root in roots]  # an absolute path stays itself
    except (OSError, ValueError):
        candidates = []
    inside = [path for path in candidates if any(path.is_relative_to(root) for root in roots)]
    if not inside:
        listed = ", ".join(str(root) for root in roots)
        raise Fault(
            "path-outside",
            f"{typed} is not inside a folder that file connections may use",
            f"Choose a folder inside one of: {listed}",
            Who.YOU,
        )
    return next(filter(_exists, inside), inside[0])


def open_folder(typed: str, surroundings: Surroundings) -> LocalFolder:
    """For the data plane: the same rules, told as errors."""
    try:
        return LocalFolder(allowed_folder(typed, surroundings), surroundings.forbidden_paths)
    except Fault as fault:
        made = Refused if fault.code == "no-file-roots" else BadInput
        raise made(fault.cause, hint=fault.fix) from fault


class FolderCheck:
    """One climb. `look_inside` says what is in the folder, for the kinds that keep different things in it."""

    def __init__(
        self,
        typed: str,
        surroundings: Surroundings,
        deadline: Deadline,
        on_step: Callable[[Step], None],
        *,
        driver: str,
        extra: str,
        look_inside: Callable[[LocalFolder, Deadline], tuple[str, bool]],
        rungs: tuple[Step, ...] = RUNGS,
    ) -> None:
        self._typed = typed
        self._surroundings = surroundings
        self._deadline = deadline
        self._driver, self._extra = driver, extra
        self._look_inside = look_inside
        self.ladder = Ladder(rungs, deadline, on_step, self._too_late)

    def run(self) -> Health:
        return self.ladder.climb(self._climb)

    def _climb(self) -> None:
        ladder = self.ladder
        ladder.begin("path")
        path = allowed_folder(self._typed, self._surroundings)
        ladder.finish(str(path))
        ladder.begin("folder")
        try:
            self._stands(path)
        except OSError as error:  # a name that is too long, a share that is gone
            raise Fault(
                "folder-not-readable",
                f"{self._typed[:80]} cannot be looked at: {error.strerror or 'the path is too long'}",
                "Check the path, and the disk or network share behind it.",
                Who.YOU,
            ) from error
        ladder.finish("Can be read")
        ladder.begin("files")
        need(self._driver, self._extra)
        folder = LocalFolder(path, self._surroundings.forbidden_paths)
        evidence, empty = self._look_inside(folder, self._deadline)
        ladder.finish(evidence, warn=empty)
        ladder.begin("privileges")
        writable = os.access(path, os.W_OK | os.X_OK)
        ladder.version = driver_version(self._driver)
        ladder.finish(f"May be written: {'yes' if writable else 'no'}; read with {ladder.version}")

    def _stands(self, path: Path) -> None:
        if not path.exists():
            there = []
            if path.parent.is_dir():
                there = [each.name for each in path.parent.iterdir() if each.is_dir() and not is_hidden(each.name)]
            raise Fault(
                "folder-missing",
                f"There is no folder {self._typed}{names.instead(path.name, there)}",
                f"mkdir -p {path}",
                Who.YOU,
            )
        if not path.is_dir():
            raise Fault(
                "not-a-folder",
                f"{self._typed} is a file and not a folder",
                "Name the folder; its files are named when they are copied.",
                Who.YOU,
            )
        if not os.access(path, os.R_OK | os.X_OK):
            raise Fault(
                "folder-not-readable",
                f"{self._typed} may not be read by the account of this engine",
                f"chmod o+rx {path}",
                Who.YOU,
            )

    def _too_late(self, _key: str) -> Fault:
        return Fault(
            "file-timeout", f"Reading {self._typed} takes too long", "Check the disk or network share.", Who.NETWORK
        )


def count_files(folder: LocalFolder, deadline: Deadline) -> tuple[str, bool]:
    """What is there, as far as a glance goes."""
    until = time.monotonic() + deadline.left() * _SHARE
    files, size = 0, 0
    for item in folder.items(""):
        if deadline.left() <= SLICE_SECONDS:
            raise OutOfTime
        if is_hidden(item.path):
            continue
        files, size = files + 1, size + item.size
        if files >= _MOST or time.monotonic() > until:
            return f"More than {files:,} files", False
    if not files:
        return "No files yet", True
    return f"{files:,} file{'s' if files > 1 else ''}, {size:,} bytes", False


def need(driver: str, extra: str) -> None:
    try:
        importlib.import_module(driver)
    except ImportError as error:
        raise Fault(
            "driver-missing",
            f"The driver {driver} is not installed on this machine",
            f'pip install "etl-engine[{extra}]"',
            Who.YOU,
        ) from error


def driver_version(driver: str) -> str:
    return f"{driver} {importlib.import_module(driver).__version__}"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than the file system allows
        return False
