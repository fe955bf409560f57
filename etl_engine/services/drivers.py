"""Which drivers are installed. Looks at this Python only, so it needs neither a Context nor a right."""

import importlib
from importlib import metadata

from pydantic import BaseModel

from etl_engine.connectors import registry
from etl_engine.connectors.contract import Kind


class Driver(BaseModel):
    """The driver of one kind of connection."""

    db_type: str
    title: str
    module: str
    version: str = ""
    trouble: str = ""  # empty where it loads
    fix: str = ""


def all_drivers() -> list[Driver]:
    """Load the driver of every kind, and say how to install those that are missing."""
    return [_driver(kind) for kind in registry.all_kinds().values()]


def _driver(kind: Kind) -> Driver:
    found = Driver(db_type=kind.name, title=kind.title, module=kind.driver)
    try:
        module = importlib.import_module(kind.driver)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == kind.driver.partition(".")[0]
        found.trouble = "is not installed" if missing else f"does not load: {error}"
        found.fix = f'Install it: pip install "etl-engine[{kind.extra}]"'
        return found
    found.version = _version(kind.driver) or str(getattr(module, "sqlite_version", ""))
    return found


def _version(module: str) -> str:
    for package in metadata.packages_distributions().get(module, []):
        return metadata.version(package)
    return ""
