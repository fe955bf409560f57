"""How a page asks the services: in a thread, with a request id, and every failure in words that a person can use."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

import structlog

from etl_engine import wiring
from etl_engine.errors import EtlError
from etl_engine.services.context import Context

log = structlog.get_logger("etl_engine.ui")
T = TypeVar("T")


@dataclass(frozen=True)
class Trouble:
    """A failure as a page shows it."""

    message: str = ""
    hint: str = ""
    facts: str = ""  # what a person copies into a message to somebody who can help


class AskError(Exception):
    """A service did not answer; `trouble` says it for the screen."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


async def ask(call: Callable[[Context], T], pool: Executor | None = None) -> T:
    """The answer of a service function, called outside the event loop: all drivers block.

    What may take seconds brings a pool of its own: the usual one has a handful of threads for everybody.
    """
    request_id = secrets.token_hex(8)

    def called() -> T:
        return call(wiring.context().for_request(request_id))

    try:
        return await asyncio.get_running_loop().run_in_executor(pool, called)
    except EtlError as error:
        raise AskError(Trouble(error.message, error.hint, f"{error.code} · request {request_id}")) from error
    except Exception as error:
        log.exception("a service failed", request_id=request_id)
        hint = "Try again. If it stays, look for this request in the log of the engine."
        raise AskError(
            Trouble("The engine met an error of its own.", hint, f"internal · request {request_id}")
        ) from error
