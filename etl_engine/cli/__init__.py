"""The command line: `etl-engine`. Imports nothing heavy, so that help is there at once."""

import sys
from typing import Annotated

import typer

from etl_engine import __version__
from etl_engine.cli import check, connections, copy, keys, output, serve, worker
from etl_engine.errors import EtlError

FAILED, INTERRUPTED = 1, 130

app = typer.Typer(
    name="etl-engine",
    help="Self-hosted data integration: connect, map and move data without losing or changing a value.",
    epilog="Settings come from the environment and from .env in this folder; exit codes: 0 done, 1 failed, "
    "2 wrong usage, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show local variables
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("copy", epilog=copy.EPILOG)(copy.copy)
app.add_typer(connections.app, name="connections")
app.add_typer(keys.app, name="keys")
app.command("check")(check.check)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"etl-engine {__version__}")  # noqa: T201 - the answer itself
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None: ...


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """One command; answers the exit code. Whatever happens, a person gets a sentence and a program gets JSON."""
    as_json = "--json" in arguments
    try:
        code = app(arguments, prog_name="etl-engine", standalone_mode=False)
    except EtlError as error:
        output.failed(error, as_json)
        return FAILED
    except typer.TyperException as error:
        output.misused(error, as_json)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of the output has seen enough
        output.close_quietly()
        return 0
    except Exception as error:
        output.defect(error, as_json)
        return FAILED
    if code == INTERRUPTED:
        output.notes().print("Interrupted.")
    return code if isinstance(code, int) else 0
