"""The beginning and the end of the server: what must be right before it starts, and what it holds while it runs."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import reflex as rx
import structlog
from reflex.constants import CompileContext
from reflex.environment import environment

from etl_engine.errors import BadSetting, EtlError, Locked, StoreUnavailable
from etl_engine.ui.engine_status import watch_engine
from etl_engine.ui.live import watch_changes


def refusal(error: EtlError) -> str:
    """Why the start stops, in one line."""
    return " ".join(
        f"{part.rstrip('.')}." for part in (f"ETL Engine cannot start: {error.message}", error.hint) if part
    )


class Preflight(rx.plugins.Plugin):
    """Opens the store once before the pages are built: a key that does not fit is said at once, and in one sentence.

    Only for `reflex run`: an export (a Docker image) must not make a store or a key.
    """

    def pre_compile(self, **context: Any) -> None:
        if environment.REFLEX_COMPILE_CONTEXT.get() != CompileContext.RUN or _is_reloaded_worker():
            return
        from etl_engine import wiring

        try:
            engine = wiring.engine()
            with contextlib.closing(engine):  # the server's own process opens it again
                engine.context()
        except (BadSetting, Locked) as error:
            raise SystemExit(refusal(error)) from None
        except StoreUnavailable:
            pass  # the server says so, and tries again at every use
        if engine.made_key_file:
            structlog.get_logger().warning(wiring.NEW_KEY.format(engine.made_key_file))


def _is_reloaded_worker() -> bool:
    return bool(os.environ.get("REFLEX_DEV_BACKEND_RELOAD_ACTIVE"))


@contextlib.asynccontextmanager
async def lifetime(app: rx.App) -> AsyncIterator[None]:
    """Lifespan of one server process."""
    from etl_engine import wiring
    from etl_engine.ui.connections.state import Connections
    from etl_engine.ui.mappings.editor import Editor
    from etl_engine.ui.mappings.listing import Mappings
    from etl_engine.ui.overview.state import Overview
    from etl_engine.ui.runs.listing import Runs
    from etl_engine.ui.runs.pulse import watch_runs
    from etl_engine.ui.runs.state import Run
    from etl_engine.ui.schedules.listing import Schedules
    from etl_engine.ui.schemas.state import Schemas

    try:
        engine = await asyncio.to_thread(wiring.start, "web", rx.config.get_config().backend_port)
    except (BadSetting, Locked) as error:
        structlog.get_logger().critical(refusal(error))
        os._exit(1)  # whatever is raised here, SystemExit too, the server prints with a traceback
    watchers = [
        asyncio.create_task(watch_engine(app)),
        asyncio.create_task(
            watch_changes(
                app,
                {
                    "connection": [Connections.refresh, Mappings.refresh, Editor.refresh],
                    "mapping": [Schemas.refresh, Mappings.refresh, Editor.refresh],
                    "schedule": [Schedules.refresh, Overview.refresh],
                    "schema": [Schemas.refresh, Mappings.refresh, Editor.refresh],
                },
            )
        ),
        asyncio.create_task(
            watch_runs(app, [Runs.refresh, Run.refresh, Schedules.refresh, Overview.refresh, Mappings.refresh])
        ),
    ]
    try:
        yield
    finally:
        for watcher in watchers:
            watcher.cancel()
        await asyncio.to_thread(engine.close)
