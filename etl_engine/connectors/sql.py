"""What all SQL servers share: the login and the questions after it go through SQLAlchemy, steered by a Dialect."""

import contextlib
import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etl_engine.connectors.contract import Who
from etl_engine.connectors.fault import Fault

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Product:
    """One product behind a wire protocol, and the oldest version of it that is good enough."""

    name: str
    marks: re.Pattern[str]  # finds (major, minor) in the version text
    oldest: tuple[int, int]


@dataclass(frozen=True)
class Dialect:
    """How one kind is spoken to. Holds no vendor logic: names, one query, options."""

    kind: str
    url: str  # SQLAlchemy's name of dialect and driver
    driver: str  # the module that must be installed
    extra: str
    version_query: str
    products: tuple[Product, ...]
    opens_on: str = "login"  # the rung on which the driver is first needed
    engine_options: Mapping[str, Any] = field(default_factory=dict)


def need_driver(dialect: Dialect) -> None:
    """Raises Fault naming the extra to install where the driver is not there."""
    try:
        importlib.import_module(dialect.driver)
    except ImportError as error:
        raise Fault(
            "driver-missing",
            f"The driver {dialect.driver} is not installed on this machine",
            f'pip install "etl-engine[{dialect.extra}]"',
            Who.YOU,
            step=dialect.opens_on,
        ) from error


@contextlib.contextmanager
def session(dialect: Dialect, connect: Callable[[], Any]) -> "Iterator[Connection]":
    """One SQLAlchemy connection over what `connect` opens; what `connect` raises comes out as it is."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        f"{dialect.url}://",
        creator=connect,
        poolclass=sqlalchemy.NullPool,
        hide_parameters=True,
        # The check changes nothing, and a broken connection must not be asked to roll back.
        pool_reset_on_return=None,
        **dialect.engine_options,
    )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def one(connection: "Connection", query: str) -> tuple[Any, ...]:
    """The single row of a query without parameters."""
    return tuple(connection.exec_driver_sql(query).one())


def version(connection: "Connection", dialect: Dialect) -> str:
    """The version text, if it is of a product we know and not too old; Fault otherwise."""
    text = str(one(connection, dialect.version_query)[0])
    for product in dialect.products:
        found = product.marks.search(text)
        if found:
            have = (int(found[1]), int(found[2] or 0))
            if have < product.oldest:
                wants = ".".join(map(str, product.oldest)).removesuffix(".0")
                raise Fault(
                    "version-too-old",
                    f"The server is {product.name} {found[1]}.{found[2] or 0}; at least {wants} is needed",
                    f"Upgrade the server to {product.name} {wants} or later.",
                    Who.DBA,
                )
            return text
    raise unknown_version(dialect)


def unknown_version(dialect: Dialect) -> Fault:
    wanted = " or ".join(product.name for product in dialect.products)
    return Fault(
        "version-unknown",
        f"The server accepts the login but is not {wanted}: its version is not one of theirs",
        f"Connect to a {wanted} server; products that only speak its protocol are not supported.",
        Who.YOU,
        step="version",
    )
