"""Lists of documents: how one is asked for, and the links of its pages."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response

from etl_engine.api.deps import answered
from etl_engine.model.text import Plain
from etl_engine.services.documents import Listing, Query

Sort = Literal["name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"]


class PageQuery(BaseModel):
    """How to search, sort and page; nothing of it means everything, newest change first."""

    model_config = ConfigDict(extra="forbid")

    q: Annotated[Plain, Field(description="Found in name or description.", max_length=200)] = ""
    sort: Annotated[Sort, Field(description="A minus sorts downwards.")] = "-updated_at"
    limit: Annotated[int | None, Field(ge=1, le=1000, description="The length of a page; left out: everything.")] = None
    offset: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    def search(self, where: Mapping[str, Any] | None = None) -> Query:
        return Query(
            text=self.q,
            where=where or {},
            sort=self.sort.removeprefix("-"),
            descending=self.sort.startswith("-"),
            limit=self.limit or 0,
            offset=self.offset,
        )


def listed(request: Request, query: PageQuery, found: Listing) -> Response:
    """A plain array, with how many there are and where the next page is."""
    links = _links(request.scope["path"], query, found)
    headers = {"X-Total-Count": str(found.total)} | ({"Link": links} if links else {})
    return answered(request, to_json(found.items, by_alias=True), headers=headers)


def _links(path: str, query: PageQuery, found: Listing) -> str:
    if query.limit is None:
        return ""
    pages = {"first": 0, "prev": max(0, query.offset - query.limit)} if query.offset else {}
    if found.items and query.offset + len(found.items) < found.total:
        pages["next"] = query.offset + query.limit
    given = query.model_dump(exclude_unset=True)
    return ", ".join(
        f'<{path}?{urlencode(given | {"offset": offset}, doseq=True)}>; rel="{rel}"' for rel, offset in pages.items()
    )
