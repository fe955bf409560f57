"""/schedules: the specified five endpoints, running one now, when it fires next, and what became of its fires."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json
from starlette.responses import Response

from etl_engine.api.deps import JSON, Ctx, IfMatch, ObjectId, Router, accepts, answered, reads, wanted_revision
from etl_engine.api.documented import headed, reading, writing
from etl_engine.api.once import REPLAYED, Once
from etl_engine.api.pages import PageQuery, listed
from etl_engine.api.shapes import DescribedAs, changes_of
from etl_engine.model.execution import Execution
from etl_engine.model.schedule import FireRecord, Preset, Schedule, ScheduleDraft, Timetable
from etl_engine.services import schedules

router = Router(prefix="/schedules", tags=["schedules"], dependencies=[Depends(accepts(JSON))])
_READS_JSON = Depends(reads(JSON))
Draft = Annotated[dict[str, Any], DescribedAs(ScheduleDraft)]
Patch = Annotated[dict[str, Any], DescribedAs(changes_of(ScheduleDraft))]
Viewer = Annotated[str, Field(max_length=100, description="The zone of who looks.", examples=["Europe/Berlin"])]
Count = Annotated[int, Field(ge=1, le=schedules.MOST_FIRES, description="Fires to show.")]


class ScheduleQuery(PageQuery):
    """Of one mapping, or of all."""

    mapping_id: Annotated[str, Field(pattern="^([0-9a-f]{24})?$", description="Only those that run this.")] = ""


class FireQuery(BaseModel):
    """How many."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class TimetableQuery(BaseModel):
    """On whose clock, and how many."""

    model_config = ConfigDict(extra="forbid")

    viewer: Viewer = "UTC"
    count: Count = schedules.FIRES_SHOWN


class ExpressionQuery(TimetableQuery):
    """An expression that is not saved yet."""

    cron_expression: Annotated[str, Field(max_length=200, examples=["30 7 * * 1-5"])]
    timezone: Annotated[str, Field(max_length=100, examples=["Europe/Berlin"])] = "UTC"


@router.post(
    "/",
    status_code=201,
    response_model=Schedule,
    operation_id="createSchedule",
    summary="Create a schedule",
    responses=writing(409) | headed(201, "ETag", "Location", REPLAYED),
    dependencies=[_READS_JSON],
)
def create(request: Request, ctx: Ctx, once: Once, body: Draft) -> Response:
    """It fires from now on, unless it is made inactive."""

    def work() -> Response:
        made = schedules.create(ctx, body)
        return _shown(request, made, 201, Location=f"{request.scope['path'].rstrip('/')}/{made.id}")

    return once(work)


@router.get(
    "/",
    response_model=list[Schedule],
    operation_id="listSchedules",
    summary="List schedules",
    responses=reading() | headed(200, "ETag", "Link", "X-Total-Count"),
)
def list_(request: Request, ctx: Ctx, query: Annotated[ScheduleQuery, Query()]) -> Response:
    """All schedules that match, or a page of them."""
    where = {"subject.id": query.mapping_id} if query.mapping_id else None
    return listed(request, query, schedules.list_(ctx, query.search(where)))


@router.get(
    "/presets",
    response_model=list[Preset],
    operation_id="listSchedulePresets",
    summary="List common cron expressions",
    responses=reading() | headed(200, "ETag"),
)
def presets(request: Request, ctx: Ctx) -> Response:
    """Expressions that many people want."""
    return answered(request, to_json(schedules.presets(ctx)))


@router.get(
    "/preview",
    response_model=Timetable,
    operation_id="previewSchedule",
    summary="Preview a cron expression",
    responses=reading(),
)
def preview(ctx: Ctx, query: Annotated[ExpressionQuery, Query()]) -> Response:
    """What an expression says in plain English, and when it fires next, on two clocks."""
    shown = schedules.timetable_of(ctx, query.cron_expression, query.timezone, viewer=query.viewer, count=query.count)
    return Response(to_json(shown), media_type=JSON, headers={"Cache-Control": "no-store"})


@router.get(
    "/{schedule_id:id}",
    response_model=Schedule,
    operation_id="getSchedule",
    summary="Get a schedule",
    responses=reading(404) | headed(200, "ETag"),
)
def get(request: Request, ctx: Ctx, schedule_id: ObjectId) -> Response:
    """One schedule, with its last and its next fire."""
    return _shown(request, schedules.get(ctx, schedule_id))


@router.put(
    "/{schedule_id:id}",
    response_model=Schedule,
    operation_id="updateSchedule",
    summary="Update a schedule",
    responses=writing(404, 409, 412) | headed(200, "ETag"),
    dependencies=[_READS_JSON],
)
def update(request: Request, ctx: Ctx, schedule_id: ObjectId, body: Patch, if_match: IfMatch = None) -> Response:
    """Change the fields that are sent. One that becomes active again makes up for nothing."""
    revision = wanted_revision(if_match, lambda: schedules.get(ctx, schedule_id).revision)
    return _shown(request, schedules.update(ctx, schedule_id, body, revision=revision))


@router.delete(
    "/{schedule_id:id}",
    status_code=204,
    operation_id="deleteSchedule",
    summary="Delete a schedule",
    responses=reading(404, 409, 412),
)
def delete(ctx: Ctx, schedule_id: ObjectId, if_match: IfMatch = None) -> Response:
    """Remove a schedule for good; what it has started goes on."""
    revision = wanted_revision(if_match, lambda: schedules.get(ctx, schedule_id).revision)
    schedules.delete(ctx, schedule_id, revision=revision)
    return Response(status_code=204)


@router.post(
    "/{schedule_id:id}/run",
    status_code=202,
    response_model=Execution,
    operation_id="runSchedule",
    summary="Run a schedule now",
    responses=reading(404, 409) | headed(202, "Location", REPLAYED),
)
def run(request: Request, ctx: Ctx, once: Once, schedule_id: ObjectId) -> Response:
    """Run what it is for at once, whether it is active or not; its next fire stays where it is."""

    def work() -> Response:
        execution = schedules.run_now(ctx, schedule_id)
        where = f"{request.app.state.prefix}/executions/{execution.id}"
        return answered(request, to_json(execution, by_alias=True), status=202, headers={"Location": where})

    return once(work)


@router.get(
    "/{schedule_id:id}/next",
    response_model=Timetable,
    operation_id="listNextFires",
    summary="List the next fires",
    responses=reading(404),
)
def following(ctx: Ctx, schedule_id: ObjectId, query: Annotated[TimetableQuery, Query()]) -> Response:
    """When it fires next, on two clocks; nights on which the clock changes are marked."""
    shown = schedules.timetable(ctx, schedule_id, viewer=query.viewer, count=query.count)
    return Response(to_json(shown), media_type=JSON, headers={"Cache-Control": "no-store"})


@router.get(
    "/{schedule_id:id}/fires",
    response_model=list[FireRecord],
    operation_id="listFires",
    summary="List past fires",
    responses=reading(404) | headed(200, "ETag"),
)
def fires(request: Request, ctx: Ctx, schedule_id: ObjectId, query: Annotated[FireQuery, Query()]) -> Response:
    """What became of each fire: started, skipped or failed, and why; the latest first."""
    return answered(request, to_json(schedules.fires(ctx, schedule_id, limit=query.limit)))


def _shown(request: Request, saved: Schedule, status: int = 200, **headers: str) -> Response:
    return answered(request, to_json(saved, by_alias=True), revision=saved.revision, status=status, headers=headers)
