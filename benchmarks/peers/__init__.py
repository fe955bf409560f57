"""Other tools that move rows, each in a virtual environment of its own: installed from the package index, pinned.

Each peer is run the way its documentation calls fast. One that cannot do a case, or fails at it, says so in the table.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = {
    "dlt": ["dlt[postgres,parquet]==1.31.0", "connectorx==0.4.6", "adbc-driver-postgresql==1.13.0", "pyarrow==26.0.1",
            "sqlalchemy", "pymysql", "psycopg2-binary", "numpy"],
    "sling": ["--no-deps", "sling-linux-amd64==1.4.11"],
    "ingestr": ["ingestr==0.13.94"],
}  # fmt: skip


@dataclass(frozen=True)
class End:
    """One side of a case: a database by its URL, or a Parquet file."""

    url: str  # of the specification's common form, with the password
    table: str = ""

    @property
    def kind(self) -> str:
        return self.url.partition(":")[0]

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix("file://"))


def prepare(folder: Path, names: list[str]) -> dict[str, Path]:
    """The environments, made where they are missing; their programs by name."""
    for name in names:
        home = folder / name
        if (home / "ready").exists():
            continue
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(home / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *PACKAGES[name]], check=True, stderr=subprocess.DEVNULL)
        (home / "ready").touch()
    return {name: folder / name for name in names}


def command(name: str, home: Path, source: End, target: End, mode: str, work: Path) -> list[str] | None:
    """How that peer does this case; None where it has no way."""
    return {"dlt": _dlt, "sling": _sling, "ingestr": _ingestr}[name](home, source, target, mode, work)


def _dlt(home: Path, source: End, target: End, mode: str, work: Path) -> list[str] | None:
    script = "dlt_from_parquet.py" if source.kind == "file" else "dlt_copy.py"
    if target.kind == "mysql":
        return None
    from_url = _driver(source).replace("postgresql://", "postgresql+psycopg2://")
    return [str(home / "bin/python"), str(HERE / script), from_url, source.table, target.url, target.table, mode,
            str(work)]  # fmt: skip


def _sling(home: Path, source: End, target: End, mode: str, _work: Path) -> list[str] | None:
    if "file" in (source.kind, target.kind):  # for Parquet it fetches another program from the network while it runs
        return None
    program = next(home.glob("lib/python*/site-packages/sling_linux_amd64/bin/sling-linux-amd64"))
    modes = {"append": "snapshot", "replace": "full-refresh", "merge": "incremental"}
    words = [str(program), "run", "--mode", modes[mode]]
    words += ["--src-conn", _plain(source), "--src-stream", source.table]
    words += ["--tgt-conn", _plain(target), "--tgt-object", target.table]
    return [*words, "--primary-key", "id"] if mode == "merge" else words


def _ingestr(home: Path, source: End, target: End, mode: str, _work: Path) -> list[str] | None:
    if "file" in (source.kind, target.kind) or target.kind == "mysql":
        return None
    words = [str(home / "bin/ingestr"), "ingest", "--yes", "--progress", "log", "--source-uri", _driver(source),
             "--source-table", source.table, "--dest-uri", _plain(target), "--dest-table", target.table,
             "--incremental-strategy", {"append": "append", "replace": "replace", "merge": "merge"}[mode]]  # fmt: skip
    return [*words, "--primary-key", "id"] if mode == "merge" else words


def _driver(end: End) -> str:
    return end.url.replace("mysql://", "mysql+pymysql://")


def _plain(end: End) -> str:
    return end.url + ("?sslmode=disable" if end.kind == "postgresql" else "")
