"""Idempotency-Key: the same request sent twice is done once, and answered twice with the same words."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request
from starlette.responses import Response

from etl_engine.api.deps import JSON, Ctx
from etl_engine.errors import BadInput, Conflict, Denied, Locked, NotCapable, NotFound
from etl_engine.services import replies
from etl_engine.services.context import Context
from etl_engine.services.replies import Reply

REPLAYED = "Idempotency-Replayed"
_KEPT_HEADERS = ("etag", "location")
_CHANGED_NOTHING = (BadInput, Conflict, Denied, Locked, NotCapable, NotFound)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
        description="Made up by the caller, a new one for each request, such as a UUID. Sent again within 24 hours "
        "with the same body, the request is not done again and gets the same answer, marked Idempotency-Replayed.",
        examples=["8e03978e-40d5-43dd-bc93-6894a57f9324"],
    ),
]


class Doing:
    """Given to a route that creates or starts something: it does the work once for each key."""

    def __init__(self, ctx: Context, where: str, key: str | None, body: bytes) -> None:
        self._ctx = ctx
        self._where = where
        self._key = key
        self._body = body

    def __call__(self, work: Callable[[], Response]) -> Response:
        if self._key is None:
            return work()
        begun = replies.begin(self._ctx, self._where, self._key, self._body)
        if begun.reply:
            given = begun.reply
            return Response(given.content, given.status, {**given.headers, REPLAYED: "true"}, JSON)
        try:
            answer = work()
        except _CHANGED_NOTHING:
            replies.give_up(self._ctx, begun)
            raise
        headers = {name: answer.headers[name] for name in _KEPT_HEADERS if name in answer.headers}
        replies.finish(self._ctx, begun, Reply(answer.status_code, headers, bytes(answer.body).decode()))
        return answer


async def _doing(request: Request, ctx: Ctx, idempotency_key: IdempotencyKey = None) -> Doing:
    where = f"{request.method} {request.scope['path'].rstrip('/')}"
    return Doing(ctx, where, idempotency_key, await request.body() if idempotency_key else b"")


Once = Annotated[Doing, Depends(_doing)]
