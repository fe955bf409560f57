"""Who asks, and what the answer may be made with."""

from dataclasses import dataclass, field, replace
from typing import Self

from etl_engine.connectors.contract import Surroundings
from etl_engine.dispatch.contract import Dispatch, NobodyHere
from etl_engine.services.keyring import Keyring
from etl_engine.store.contract import Store


@dataclass(frozen=True)
class Actor:
    """Somebody with rights; `*` is all of them."""

    name: str
    rights: frozenset[str] = frozenset()


ANONYMOUS = Actor("anonymous", frozenset({"*"}))  # until users arrive, everybody is this one and may do everything


@dataclass(frozen=True)
class Context:
    """Given to every service function as its first argument; made by the wiring, once per request or event."""

    store: Store
    keyring: Keyring
    surroundings: Surroundings = field(default_factory=Surroundings)
    dispatch: Dispatch = field(default_factory=NobodyHere)
    actor: Actor = ANONYMOUS
    request_id: str = ""

    def for_request(self, request_id: str, actor: Actor = ANONYMOUS) -> Self:
        return replace(self, request_id=request_id, actor=actor)
