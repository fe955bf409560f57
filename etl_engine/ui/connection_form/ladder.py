"""The test as it climbs: its steps beside the form, and what came of it."""

import re
from dataclasses import dataclass, replace

import reflex as rx

from etl_engine import __version__
from etl_engine.model.connection import StepReport, TestResult
from etl_engine.services.forms import LastTest
from etl_engine.ui.components.time_ago import time_ago
from etl_engine.ui.connection_form.browser import copy_button
from etl_engine.ui.props import Text
from etl_engine.ui.theme import STEP_STATE, Look
from etl_engine.ui.words import duration

_RUNG_TEXT = {"skipped": "Not reached", "fail": "Stopped here"}  # the cause stands below, with what to do
_BEFORE = {"pass": "was OK", "warn": "was OK, with a warning", "fail": "had failed"}
_COMMAND = re.compile(r"#|[A-Z]{4,} |(?:chmod|openssl|pip|sqlite3) ")  # to copy and run, unlike a sentence
_NUMBER = re.compile(r"\d+(\.\d+)*")
WHO = {
    "you": "You can do this",
    "dba": "For the database administrator",
    "network": "For the network administrator",
}
POINTED = "The test stopped here; the result says why."
# Faults that one field alone can repair; the test marks it, as a wrong value would be.
_FIELD_OF_FAULT = {
    "wrong-password": "password",
    "host-not-found": "host",
    "connection-refused": "port",
    "wrong-service": "port",
    "no-such-database": "database",
    "tls-required": "tls_mode",
    "tls-not-offered": "tls_mode",
}


@dataclass
class Rung:
    """One step as the panel shows it."""

    key: str
    title: str
    state: str = "pending"
    text: str = ""
    time: str = ""
    fix: str = ""
    before: str = ""  # how it was at the test before this one
    before_at: str = ""  # ISO 8601


@dataclass
class Failure:
    """Why the test failed, what to do, and who can do it."""

    title: str = ""
    cause: str = ""
    fix: str = ""
    command: bool = False  # the fix is something to copy and run
    who: str = ""


def rungs_of(steps: tuple[StepReport, ...] | list[StepReport]) -> list[Rung]:
    return [rung_of(step) for step in steps]


def rung_of(step: StepReport) -> Rung:
    done = step.state in ("pass", "warn", "fail")
    return Rung(
        step.key,
        step.title,
        step.state,
        _RUNG_TEXT.get(step.state, step.evidence),
        duration(step.ms) if done else "",
        step.fix if step.state == "warn" else "",
    )


def climbed(rungs: list[Rung], news: list[StepReport]) -> list[Rung]:
    """The steps with what came in; an unknown one is added, since a kind may climb more than it announced."""
    came = {step.key: rung_of(step) for step in news}
    return [_beside(came.pop(rung.key, rung), rung) for rung in rungs] + list(came.values())


def ended(rungs: list[Rung], result: TestResult) -> list[Rung]:
    """The steps of a test that is over, each beside how it was before."""
    earlier = {rung.key: rung for rung in rungs}
    return [_beside(rung, earlier.get(rung.key, rung)) for rung in rungs_of(result.details.steps)]


def waiting(rungs: list[Rung]) -> list[Rung]:
    """The steps before anything has happened."""
    return [_beside(Rung(rung.key, rung.title), rung) for rung in rungs]


def again(rungs: list[Rung], tested_at: str) -> list[Rung]:
    """The steps before another test: what the last one found of them becomes what was before."""
    return [
        Rung(rung.key, rung.title, before=_BEFORE[rung.state], before_at=tested_at)
        if rung.state in _BEFORE and tested_at
        else _beside(Rung(rung.key, rung.title), rung)
        for rung in rungs
    ]


def remembered(rungs: list[Rung], last: LastTest | None) -> list[Rung]:
    """The steps with how they were at the last test of a stored connection.

    A success climbed all of them; a failure names the step at which it ended, and those after it were not reached.
    """
    if last is None:
        return rungs
    at = last.at.isoformat()
    if last.good:
        return [replace(rung, before=_BEFORE["pass"], before_at=at) for rung in rungs]
    end = next((number for number, rung in enumerate(rungs) if last.message.startswith(f"{rung.title}: ")), -1)
    return [
        replace(rung, before=_BEFORE["fail" if number == end else "pass"], before_at=at) if number <= end else rung
        for number, rung in enumerate(rungs)
    ]


def _beside(rung: Rung, earlier: Rung) -> Rung:
    return replace(rung, before=earlier.before, before_at=earlier.before_at)


def stopped(rungs: list[Rung]) -> list[Rung]:
    """The steps of a test that was cancelled: what had not ended never will."""
    return [
        replace(rung, state="skipped", text="Cancelled" if rung.state == "running" else "Not reached", time="")
        if rung.state in ("running", "pending")
        else rung
        for rung in rungs
    ]


def shortened(rungs: list[Rung], version: str, headline: str) -> list[Rung]:
    """Without the whole of what the server calls itself, which the result shows."""
    return [replace(rung, text=headline) if version and rung.text == version else rung for rung in rungs]


def failure_of(result: TestResult) -> Failure:
    step = next((step for step in result.details.steps if step.state == "fail"), None)
    if step is None:
        return Failure("The test", result.message)
    return Failure(step.title, step.cause, step.fix, _is_command(step.fix), WHO.get(step.who or "", ""))


def field_of(result: TestResult) -> str:
    """The field that the fault is about, where it is about one alone."""
    codes = (step.code for step in result.details.steps if step.state == "fail")
    return next((_FIELD_OF_FAULT[code] for code in codes if code in _FIELD_OF_FAULT), "")


def product(kind_title: str, version: str) -> str:
    """A headline from what the server calls itself: "PostgreSQL 15.3", "MariaDB 10.11.6"."""
    number = _NUMBER.search(version)
    products = kind_title.split(" / ")
    name = next((name for name in products if name.casefold() in version.casefold()), products[0])
    return f"{name} {number[0]}" if number else name


def report_of(kind_title: str, result: TestResult) -> str:
    """The whole test as Markdown to send to somebody who can help. Steps hold no secret, so neither does this."""
    outcome = f"succeeded: {result.details.version}" if result.success else f"failed. {result.message}"
    lines = [
        f"### {kind_title} connection test {outcome}",
        "",
        "| Step | Result | Time | Details |",
        "|---|---|---|---|",
    ]
    for step in result.details.steps:
        rung = rung_of(step)
        lines.append(
            f"| {step.title} | {STEP_STATE[step.state].word} | {rung.time} | {_cell(step.cause or rung.text)} |"
        )
    failure = failure_of(result)
    if not result.success and failure.fix:
        lines += ["", f"**{failure.who or 'What to do'}:**", "", "```", failure.fix, "```"]
    lines += ["", f"ETL Engine {__version__}, {duration(result.details.ms)} in all."]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _is_command(fix: str) -> bool:
    return _COMMAND.match(fix) is not None


def rung_view(rung: Rung) -> rx.Component:
    looks = [(state, _mark(look)) for state, look in STEP_STATE.items()]
    no_news = (rung.state == "pass") & (rung.before == _BEFORE["pass"])  # type: ignore[operator] # Vars here
    return rx.el.li(
        rx.match(rung.state, *looks, rx.fragment()),
        rx.el.div(
            rx.el.span(rung.title, class_name="rung-title"),
            rx.cond(rung.text != "", rx.el.span(rung.text, class_name="rung-text")),
            rx.cond(
                (rung.before != "") & ~no_news,  # type: ignore[operator] # Vars here
                rx.el.span(rung.before, " ", time_ago(at=rung.before_at), class_name="rung-before"),
            ),
            rx.cond(
                rung.fix != "",
                rx.el.span(
                    rx.el.span(rung.fix), copy_button(text=rung.fix, label="Copy this advice"), class_name="rung-fix"
                ),
            ),
            class_name="rung-words",
        ),
        rx.el.span(rung.time, class_name="rung-time"),
        key=rung.key,
        class_name="rung " + rung.state,
    )


def _mark(look: Look) -> rx.Component:
    icon = rx.icon(look.icon, size=13, stroke_width=3, aria_hidden="true") if look.tone != "idle" else rx.fragment()
    return rx.el.span(icon, rx.el.span(look.word, class_name="visually-hidden"), class_name="rung-mark")


def success_box(headline: Text, version: Text, total: Text, closing: Text) -> rx.Component:
    return rx.el.div(
        rx.icon("circle-check", size=20, aria_hidden="true"),
        rx.el.div(
            rx.el.h3("Connected to ", headline),
            rx.el.p(version, class_name="version"),
            rx.el.p(total, " in all. ", closing),
        ),
        class_name="outcome good",
    )


def failure_box(failure: Failure, report: Text) -> rx.Component:
    return rx.el.div(
        rx.icon("circle-x", size=20, aria_hidden="true"),
        rx.el.div(
            rx.el.h3(failure.title, " failed"),
            rx.el.p(failure.cause),
            rx.cond(
                failure.fix != "",
                rx.fragment(
                    rx.el.p(rx.icon("user-round", size=14, aria_hidden="true"), failure.who, class_name="who"),
                    rx.el.div(
                        rx.el.span(failure.fix),
                        copy_button(text=failure.fix, label="Copy what to do"),
                        class_name=rx.cond(failure.command, "fix command", "fix"),
                    ),
                ),
            ),
            copy_button(text=report, label="Copy report", words="Copy report", class_name="button quiet small"),
        ),
        class_name="outcome bad",
    )
