"""`etl-engine serve`: the product, in production mode."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from etl_engine.errors import NotFound

DEFAULT_PORT = 3000  # as `reflex run --env prod`


def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind to; default HOST, which is 127.0.0.1.")] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the web app and the API.")] = DEFAULT_PORT,
) -> None:
    """Serve the web app and the API on one port, as `reflex run --env prod` does. Run it in the folder of the app.

    Settings, key and port are looked at first, so that whatever is wrong is said in one sentence.
    """
    from etl_engine import wiring
    from etl_engine.cli import installation, ports
    from etl_engine.errors import StoreUnavailable

    if not Path("rxconfig.py").is_file():
        raise NotFound(f"There is no rxconfig.py in {Path.cwd()}", hint="Run this in the folder of the app.")
    if host is not None:
        os.environ["HOST"] = host
    address = wiring.engine().config.host
    try:
        installation.open_context(create=True)  # a key that does not fit stops the start here
    except StoreUnavailable as error:
        typer.echo(f"Warning: {error.message}. Starting all the same: it is tried again at every use.", err=True)
    wiring.engine().close()
    ports.require_free(address, port)
    _become(
        [
            sys.executable,
            "-m",
            "reflex",
            "run",
            "--env",
            "prod",
            "--backend-host",
            address,
            "--frontend-port",
            str(port),
        ]
    )


def _become(command: list[str]) -> NoReturn:
    """The same process goes on as the server, so that signals reach it directly."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted
