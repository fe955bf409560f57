"""What the commands work on: the installation that the settings of this folder describe."""

import structlog

from etl_engine import logs, wiring
from etl_engine.errors import NotFound
from etl_engine.services.context import Context


def open_context(*, create: bool = False) -> Context:
    """The Context, with quiet logs. Only with `create` is an embedded store made where there is none.

    A command that is run in the wrong folder must not leave a new, empty store and a key behind.
    """
    running = wiring.engine()
    config = running.config
    logs.configure("warning" if config.log_level == "info" else config.log_level, config.log_format)
    if config.embedded and not create and not running.store_exists:
        raise NotFound(
            f"There is no store yet: {config.store_name}",
            hint="Run this in the folder of the app, set DATA_DIR, or start the app once.",
        )
    ctx = running.context()
    if running.made_key_file:
        structlog.get_logger().warning(wiring.NEW_KEY.format(running.made_key_file))
    return ctx
