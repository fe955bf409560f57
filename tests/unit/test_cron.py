"""Cron expressions: what they say, what is wrong with one, and when they fire when the clock changes."""

import datetime as dt
import itertools
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_engine.model.cron import PRESETS, BadCron, checked, fires, next_fire, reading

UTC = dt.UTC
BERLIN = "Europe/Berlin"
ZONES = (BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "Africa/Casablanca")


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=UTC)


def first(expression: str, zone: str, after: str, count: int = 3) -> list[str]:
    found = itertools.islice(fires(expression, zone, at(after)), count)
    return [fire.at.strftime("%m-%d %H:%M") for fire in found]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("*/5 * * * *", "Every 5 minutes"),
        ("* * * * *", "Every minute"),
        ("30 7 * * 1-5", "At 07:30 on weekdays (Monday to Friday)"),
        ("0 18 L * *", "At 18:00 on the last day of every month"),
        ("0 0 29 2 *", "At 00:00 on February 29"),
        ("0 8,20 * * MON,WED", "At 08:00 and 20:00 on Monday and Wednesday"),
        ("*/15 8-17 * * 1-5", "Every 15 minutes from 08:00 through 17:59 on weekdays (Monday to Friday)"),
        ("30 * * * *", "At minute 30 of every hour"),
        ("0 6 * * 5L", "At 06:00 on the last Friday of the month"),
        ("@daily", "At 00:00 every day"),
    ],
)
def test_an_expression_reads_as_english(expression: str, said: str) -> None:
    assert reading(expression) == said


def test_every_preset_can_be_read_and_fires_within_a_month() -> None:
    for name, title, expression in PRESETS:
        following = next_fire(checked(expression), BERLIN, at("2026-01-31T20:00"))
        assert following is not None and following < at("2026-03-02T00:00"), name
        assert title and reading(expression)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 0 30 2 *", "never fires: there is no such day as 30 in the month 2"),
        ("0 0 31 4,6,9,11 *", "never fires"),
        ("0 0 * *", "must have five fields (minute, hour, day of the month, month, day of the week), and has 4"),
        ("* * * * * *", "and has 6"),
        ("", "and has 0"),
        ("60 * * * *", "has a minute that cannot be read: 60 (it takes 0 to 59)"),
        ("0 24 * * *", "has a hour that cannot be read: 24 (it takes 0 to 23)"),
        ("0 0 32 1 *", "has a day of the month that cannot be read: 32"),
        ("0 0 * 13 *", "has a month that cannot be read: 13"),
        ("0 0 * * MON#6", "has a day of the week that cannot be read: MON#6"),
        ("*/0 * * * *", "has a minute that cannot be read: */0"),
        ("every day", "and has 2"),
        ("@reboot", "and has 1"),
    ],
)
def test_what_cannot_be_read_or_never_fires_says_so(expression: str, said: str) -> None:
    with pytest.raises(BadCron) as refused:
        checked(expression)
    assert said in str(refused.value)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=30) | st.from_regex(r"\A([0-9*/,LW#-]{1,5} ){4}[0-9*/,L#-]{1,5}\Z"))
def test_whatever_is_typed_is_an_expression_or_told_why_not(text: str) -> None:
    try:
        expression = checked(text)
    except BadCron as error:
        assert len(str(error)) < 300
        return
    assert reading(expression)
    assert checked(expression) == expression
    assert next_fire(expression, BERLIN, at("2026-01-01T00:00")) is not None


def test_a_daily_job_in_the_hour_that_is_left_out_fires_once_right_behind_the_gap() -> None:
    assert first("30 2 * * *", BERLIN, "2026-03-28T12:00") == ["03-29 01:00", "03-30 00:30", "03-31 00:30"]
    fire = next(fires("30 2 * * *", BERLIN, at("2026-03-28T12:00")))
    assert (fire.moved, fire.clock_changed) == (True, True)


def test_a_daily_job_in_the_hour_that_comes_twice_fires_once() -> None:
    assert first("30 2 * * *", BERLIN, "2026-10-24T12:00") == ["10-25 00:30", "10-26 01:30", "10-27 01:30"]
    assert first("30 2 * * *", BERLIN, "2026-10-25T00:30", 1) == ["10-26 01:30"], "asked within the second round"
    assert first("30 2 * * *", BERLIN, "2026-10-25T01:10", 1) == ["10-26 01:30"], "asked within the second round"
    marks = [one.clock_changed for one in itertools.islice(fires("30 2 * * *", BERLIN, at("2026-10-24T12:00")), 3)]
    assert marks == [False, True, False]


def test_what_fires_at_intervals_keeps_them_over_both_rounds_of_an_hour() -> None:
    assert first("*/30 * * * *", BERLIN, "2026-10-24T23:45", 5) == [
        "10-25 00:00",
        "10-25 00:30",
        "10-25 01:00",
        "10-25 01:30",
        "10-25 02:00",
    ]


def test_two_fires_that_the_gap_pushes_together_are_one() -> None:
    assert first("0,30 2,3 * * *", BERLIN, "2026-03-29T00:00") == ["03-29 01:00", "03-29 01:30", "03-30 00:00"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(
        ["30 2 * * *", "0 * * * *", "*/20 * * * *", "15 1,2,3 * * *", "0 0 * * *", "59 23 * * *", "45 1 * * *"]
    ),
    st.integers(0, 365 * 24 * 60),
)
def test_asking_anew_after_each_fire_finds_the_same_fires(zone: str, expression: str, minutes: int) -> None:
    begin = at("2026-01-01T00:00") + dt.timedelta(minutes=minutes)
    together = [one.at for one in itertools.islice(fires(expression, zone, begin), 12)]
    alone, after = [], begin
    for _ in together:
        following = next_fire(expression, zone, after)
        assert following is not None
        alone.append(following)
        after = following
    assert alone == together
    assert all(one < other for one, other in itertools.pairwise([begin, *together]))


def test_a_daily_job_fires_once_on_every_day_of_a_year_in_every_zone() -> None:
    for zone in ZONES:
        there = zoneinfo.ZoneInfo(zone)
        found = itertools.takewhile(
            lambda fire: fire.at < at("2027-01-01T12:00"), fires("30 2 * * *", zone, at("2026-01-01T12:00"))
        )
        days = [fire.at.astimezone(there).date() for fire in found]
        assert len(days) == len(set(days)) == 365, zone
