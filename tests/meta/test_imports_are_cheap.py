"""What a module loads by being imported: drivers wait for a connection, the web framework for the web app."""

import subprocess
import sys

import pytest

DRIVERS = ("psycopg2", "pymysql", "pymongo.mongo_client")  # sqlite3 comes with Python and costs nothing to have
WEB = ("reflex", "fastapi", "starlette", "granian")
HEAVY = (*DRIVERS, *WEB, "sqlalchemy", "pydantic", "cryptography", "structlog")

_LOADED = "import sys, importlib; importlib.import_module(sys.argv[1]); print(*sys.modules)"


def loaded_by(module: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", _LOADED, module], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("etl_engine.connectors.registry", (*DRIVERS, *WEB)),
        ("etl_engine.services.connections", (*DRIVERS, *WEB)),
        ("etl_engine.services.connection_tests", (*DRIVERS, *WEB)),
        ("etl_engine.services.drivers", (*DRIVERS, *WEB)),
        ("etl_engine.services.health", (*DRIVERS, *WEB)),
        ("etl_engine.wiring", (*DRIVERS, *WEB)),
        ("etl_engine.settings", (*DRIVERS, *WEB, "sqlalchemy")),
        ("etl_engine.cli", HEAVY),
    ],
)
def test_an_import_loads_no_more_than_it_must(module: str, unwanted: tuple[str, ...]) -> None:
    found = sorted(loaded_by(module).intersection(unwanted))
    assert not found, f"importing {module} loads {', '.join(found)}: import it in the function that needs it"


def test_the_kinds_load_no_driver_either() -> None:
    code = "from etl_engine.connectors import registry; registry.all_kinds(); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = sorted(set(done.stdout.split()).intersection((*DRIVERS, *WEB)))
    assert not found, f"a kind loads {', '.join(found)}: import it in the function that needs it"


def test_this_test_notices_a_driver() -> None:
    assert "psycopg2" in loaded_by("psycopg2")
