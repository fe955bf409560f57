"""`etl-engine keys`: make a key, re-wrap the data key, seal everything anew."""

from typing import Annotated, Any

import typer

from etl_engine.cli import output
from etl_engine.cli.output import Json

app = typer.Typer(help="Make and rotate the keys that secrets are sealed with.", no_args_is_help=True)


@app.command("generate", epilog="Example: etl-engine keys generate > new.key")
def generate(as_json: Json = False) -> None:
    """Print a new Fernet key for ENCRYPTION_KEY. Nothing is stored."""
    from etl_engine.sealing import fingerprint, new_key

    key = new_key()
    if as_json:
        output.document({"key": key, "fingerprint": fingerprint(key)})
        return
    print(key)  # noqa: T201 - the answer itself
    output.notes().print("Keep a copy of it apart from the store: whoever has both can read every password.")


@app.command(
    "rotate",
    epilog="Example: ENCRYPTION_KEY=new,old etl-engine keys rotate, and from then on ENCRYPTION_KEY=new",
)
def rotate(
    reseal: Annotated[
        bool,
        typer.Option(
            "--reseal", help="Also make a new data key and seal every secret anew; may be stopped and run again."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Re-wrap the data key with the first key of ENCRYPTION_KEY; every key given opens.

    Servers may go on running: they notice the change by themselves, if they know the new key too.
    """
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from etl_engine.cli.installation import open_context
    from etl_engine.services import keys

    ctx = open_context()
    console = output.notes()
    looks = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*looks, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Sealing anew" if reseal else "Re-wrapping")
        done = keys.rotate(
            ctx, reseal=reseal, on_progress=lambda count: progress.update(task, description=f"Sealed anew: {count}")
        )
    if as_json:
        output.document(_as_document(done))
    else:
        _print(done)
    if done.unreadable:
        raise typer.Exit(1)


def _as_document(done: Any) -> dict[str, Any]:
    return {
        "rewrapped": done.rewrapped,
        "resealed": done.resealed,
        "dropped": done.dropped,
        "unreadable": list(done.unreadable),
    }


def _print(done: Any) -> None:
    console = output.answers()
    console.print(f"Data keys re-wrapped: {done.rewrapped}; retired long ago and dropped: {done.dropped}")
    console.print(f"Secrets sealed anew: {done.resealed}")
    for record in done.unreadable:
        console.print(f"No key opens the secret of {output.plain(record)}", style="red")
    if done.unreadable:
        output.notes().print("These were left as they are: enter their passwords again, or restore their key.")
