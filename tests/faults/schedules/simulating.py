"""A day of many schedules in seconds: the parent moves one clock, schedulers in processes of their own tick by it."""

import contextlib
import datetime as dt
import mmap
import os
import random
import signal
import struct
import time
import traceback
import zoneinfo
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from etl_engine.model.collections import ALL, EXECUTIONS, FIRES, SCHEDULES
from etl_engine.model.cron import next_fire
from etl_engine.sealing import new_key
from etl_engine.services import column_mappings, connections, mappings, schedule_fires, schedules, schemas
from etl_engine.services.connection_documents import as_config
from etl_engine.services.context import Context
from etl_engine.services.keyring import Keyring
from etl_engine.store.ids import new_id
from etl_engine.store.sql import SqlStore

MINUTE = dt.timedelta(minutes=1)
ZONES = ("Europe/Berlin", "America/New_York", "UTC", "Asia/Kathmandu")
_PATIENCE_SECONDS = 120.0
_END = 1 << 30
_PLACES = struct.Struct("q")


@contextlib.contextmanager
def context(folder: Path, key: str) -> Iterator[Context]:
    store = SqlStore(f"sqlite:///{folder}/etl_engine.db")
    store.open(ALL)
    try:
        yield Context(store, Keyring(store, (key,)))
    finally:
        store.close()


@dataclass
class Day:
    """So many schedules, from `begin` on for 25 hours."""

    folder: Path
    begin: dt.datetime
    count: int
    key: str = field(default_factory=new_key)
    minutes: int = 25 * 60
    kills: int = 0

    @property
    def end(self) -> dt.datetime:
        return self.begin + self.minutes * MINUTE

    def prepare(self) -> None:
        """One mapping, and schedules for it: most once a day, one in fifty every hour."""
        with context(self.folder, self.key) as ctx:
            values = {"name": "Shop", "db_type": "postgresql", "host": "127.0.0.1", "database": "d", "username": "u"}
            source = connections.create(ctx, as_config(values | {"password": "p"})).id
            schema = schemas.create(ctx, {"name": "Ids", "columns": [{"name": "id", "data_type": "integer"}]}).id
            named = {"name": "Ids", "source_connection_id": source, "target_schema_id": schema}
            mapping = mappings.create(ctx, named | {"source_query": "SELECT 1 AS id"}).id
            rule = {"type": "direct", "source_columns": ["id"], "target_fields": ["id"]}
            column_mappings.append(ctx, mapping, [rule], alone=True)
            asked = {"name": "First", "mapping_id": mapping, "cron_expression": "0 0 * * *", "overlap_policy": "allow"}
            first = ctx.store.get(SCHEDULES.name, schedules.create(ctx, asked).id)
            assert first is not None
            ctx.store.delete(SCHEDULES.name, {"_id": first["_id"]})
            for start in range(0, self.count, 500):
                made = [self._schedule(first, number) for number in range(start, min(start + 500, self.count))]
                ctx.store.insert(SCHEDULES.name, *made)

    def _schedule(self, like: dict[str, object], number: int) -> dict[str, object]:
        expression, zone = times(number)
        name = f"{expression} {zone} {number}"
        following = next_fire(expression, zone, self.begin - MINUTE)
        when = {"cron_expression": expression, "timezone": zone, "next_run_at": following}
        return {**like, **when, "_id": new_id(), "name": name, "name_key": name.casefold(), "search": name}

    def expected(self) -> Counter[tuple[str, dt.datetime]]:
        """Every fire of the day, found by looking at the clock of each zone minute by minute."""
        clocks = {zone: _clock(zone, self.begin - dt.timedelta(days=1), self.end) for zone in ZONES}
        found: Counter[tuple[str, dt.datetime]] = Counter()
        for number in range(self.count):
            expression, zone = times(number)
            minute, hour = expression.split()[:2]
            for at in _wanted(clocks[zone], int(minute), None if hour == "*" else int(hour)):
                if self.begin <= at <= self.end:
                    found[f"{expression} {zone} {number}", at] += 1
        return found

    def ran(self) -> Counter[tuple[str, dt.datetime]]:
        """Every run that there is, by the name of its schedule and its fire."""
        with context(self.folder, self.key) as ctx:
            triggers = [one["trigger"] for one in ctx.store.find(EXECUTIONS.name)]
        return Counter((one["name"], one["fire_time"]) for one in triggers)

    def unsettled(self) -> list[str]:
        """What does not fit together in the books of the fires."""
        with context(self.folder, self.key) as ctx:
            runs = {one["_id"] for one in ctx.store.find(EXECUTIONS.name)}
            fires = ctx.store.find(FIRES.name)
            waiting = ctx.store.count(SCHEDULES.name, {"waiting": {"$gt": 0}})
        said = [
            f"{one['at']}: {one['state']} {one['execution_id']}" for one in fires if one["execution_id"] not in runs
        ]
        return said + ([f"{waiting} schedules still have fires in their queue"] if waiting else [])

    def go_by(self, dice: random.Random, *, schedulers: int = 2, kills: int = 0) -> None:
        """Let the day pass; now and then a scheduler dies in the middle of what it does, and another one comes."""
        clock = mmap.mmap(-1, _PLACES.size * (schedulers + 1))
        living = [self._born(clock, place) for place in range(schedulers)]
        deaths = Counter(dice.randrange(self.minutes) for _ in range(kills))
        try:
            for minute in range(self.minutes + 1):
                _set(clock, 0, minute + 1)
                for _ in range(deaths[minute]):
                    place = dice.randrange(schedulers)
                    time.sleep(dice.uniform(0, 0.02))  # somewhere within the tick
                    os.kill(living[place], signal.SIGKILL)
                    os.waitpid(living[place], 0)
                    self.kills += 1
                    living[place] = self._born(clock, place)
                self._until_ticked(clock, living, minute + 1)
            _set(clock, 0, _END)
            assert [os.waitpid(pid, 0)[1] for pid in living] == [0] * schedulers
        except BaseException:
            for pid in living:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise

    def _until_ticked(self, clock: mmap.mmap, living: list[int], turn: int) -> None:
        end = time.monotonic() + _PATIENCE_SECONDS
        while any(_get(clock, place + 1) < turn for place in range(len(living))):
            assert time.monotonic() < end, "a scheduler does not tick any more"
            time.sleep(0.0005)

    def _born(self, clock: mmap.mmap, place: int) -> int:
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            with context(self.folder, self.key) as ctx:
                self._live(ctx, clock, place)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _live(self, ctx: Context, clock: mmap.mmap, place: int) -> None:
        done = 0
        while (turn := _get(clock, 0)) != _END:
            if turn <= done:
                time.sleep(0.0005)
                continue
            now = self.begin + (turn - 1) * MINUTE
            while schedule_fires.tick(ctx, now=now).more:
                pass
            done = turn
            _set(clock, place + 1, turn)


def times(number: int) -> tuple[str, str]:
    """When the schedule of this number fires: spread over the day, and many in the hours in which clocks change."""
    zone = ZONES[number % len(ZONES)]
    if number % 50 == 7:
        return f"{number % 60} * * * *", zone
    if number % 5 == 0:
        return f"{(number * 7) % 60} {number % 4} * * *", "Europe/Berlin"
    return f"{(number * 13) % 60} {(number * 5) % 24} * * *", zone


def _clock(zone: str, begin: dt.datetime, end: dt.datetime) -> list[tuple[dt.datetime, dt.datetime]]:
    there, minutes = zoneinfo.ZoneInfo(zone), round((end - begin) / MINUTE)
    return [(at, at.astimezone(there)) for at in (begin + number * MINUTE for number in range(minutes + 1))]


def _wanted(clock: list[tuple[dt.datetime, dt.datetime]], minute: int, hour: int | None) -> list[dt.datetime]:
    """A time of day once a day: the first round of an hour that comes twice, right after an hour that is left out."""
    if hour is None:
        return [at for at, local in clock if local.minute == minute]
    found: dict[dt.date, dt.datetime] = {}
    for at, local in clock:
        if (local.hour, local.minute) >= (hour, minute):
            found.setdefault(local.date(), at)
    first_day = clock[0][1].date()
    return [at for day, at in found.items() if day != first_day]


def _set(clock: mmap.mmap, place: int, value: int) -> None:
    _PLACES.pack_into(clock, place * _PLACES.size, value)


def _get(clock: mmap.mmap, place: int) -> int:
    return int(_PLACES.unpack_from(clock, place * _PLACES.size)[0])
