"""Why a connection fails: its test once more, step by step, with what to do and who can do it."""

import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any

import reflex as rx

from etl_engine.model.connection import TestResult
from etl_engine.services import connection_tests, forms
from etl_engine.services.connection_tests import OnStep
from etl_engine.services.context import Context
from etl_engine.ui.components.modal import Modal
from etl_engine.ui.connection_form import ConnectionForm, ladder, running
from etl_engine.ui.connection_form.ladder import Failure, Rung, failure_box, rung_view, success_box
from etl_engine.ui.live import nudge
from etl_engine.ui.props import event
from etl_engine.ui.session import AskError, Trouble, ask
from etl_engine.ui.words import duration


class Diagnosis(rx.State):
    """One stored connection being tested before everybody's eyes."""

    id: str = ""  # empty while nothing is diagnosed
    name: str = ""
    kind: str = ""
    phase: str = ""  # running | passed | failed
    rungs: rx.Field[list[Rung]] = rx.field(default_factory=list)
    failure: Failure = Failure()
    trouble: Trouble = Trouble()
    headline: str = ""
    version: str = ""
    total: str = ""
    report: str = ""
    _climb: int = 0

    @event(background=True)
    async def open(self, connection_id: str) -> AsyncIterator[Any]:
        """Show the ladder of a stored connection, and then climb it."""
        mine = str(connection_id)
        try:
            form = await ask(lambda ctx: forms.filled(ctx, mine))
        except AskError as error:
            async with self:
                self.id, self.trouble, self.rungs, self.phase = mine, error.trouble, [], ""
            return
        async with self:
            self._climb += 1
            number = self._climb
            self.id, self.name, self.kind = mine, form.values.get("name", ""), form.kind.title
            self.trouble, self.phase = Trouble(), "running"
            self.rungs = ladder.remembered(ladder.rungs_of(form.steps), form.last_test)
        yield Diagnosis.climb(number)

    @event(background=True)
    async def climb(self, number: int) -> None:
        """Climb the ladder that is shown; the result goes to the list as of any test."""
        async with self:
            if self._climb != number or not self.id or self.phase != "running":
                return
            mine, tab = self.id, self.router.session.client_token

        def climb(ctx: Context, on_step: OnStep, cancelled: threading.Event) -> TestResult:
            return connection_tests.test_saved(ctx, mine, on_step=on_step, cancelled=cancelled)

        try:
            async with contextlib.aclosing(running.climb(tab, climb)) as news:
                async for came in news:
                    async with self:
                        if self._climb != number:
                            return
                        if isinstance(came, TestResult):
                            self._ended(came)
                        else:
                            self.rungs = ladder.climbed(self.rungs, came)
        except AskError as error:
            async with self:
                if self._climb == number:
                    self.phase, self.trouble = "", error.trouble
        nudge()

    @event
    def close(self) -> None:
        """Hide it, and stop what still runs."""
        self._climb += 1
        running.stop(self.router.session.client_token)
        self.id = ""

    @event
    def edit(self) -> list[object]:
        """Go on to the form, where most faults are mended."""
        connection_id = self.id
        return [Diagnosis.close, ConnectionForm.open_edit(connection_id)]

    def _ended(self, result: TestResult) -> None:
        self.rungs, self.report = ladder.ended(self.rungs, result), ladder.report_of(self.kind, result)
        self.total = duration(result.details.ms)
        if result.success:
            self.phase, self.version = "passed", result.details.version or ""
            self.headline = ladder.product(self.kind, self.version)
            self.rungs = ladder.shortened(self.rungs, self.version, self.headline)
        else:
            self.phase, self.failure = "failed", ladder.failure_of(result)


def diagnosis() -> rx.Component:
    one = Diagnosis
    return Modal.create(
        rx.el.h2("Test of ", one.name, id="diagnosis-title"),
        rx.el.ol(rx.foreach(one.rungs, rung_view), class_name="rungs"),
        rx.match(
            one.phase,
            ("passed", success_box(one.headline, one.version, one.total, "It works again.")),
            ("failed", failure_box(one.failure, one.report)),
            rx.fragment(),
        ),
        rx.cond(
            one.trouble.message != "",
            rx.el.p(rx.el.b(one.trouble.message, "."), " ", one.trouble.hint, role="alert", class_name="refusal"),
        ),
        rx.el.p(
            rx.match(one.phase, ("passed", "The test succeeded"), ("failed", "The test failed"), ""),
            role="status",
            class_name="visually-hidden",
        ),
        rx.el.div(
            rx.el.button("Close", type="button", on_click=one.close, class_name="button"),
            rx.el.button(
                rx.icon("rotate-cw", size=16, aria_hidden="true"),
                "Test again",
                type="button",
                on_click=one.open(one.id),
                disabled=one.phase == "running",
                class_name="button",
            ),
            rx.el.button(
                rx.icon("pencil", size=16, aria_hidden="true"),
                "Edit",
                type="button",
                on_click=one.edit,
                class_name="button primary",
            ),
            class_name="confirm-actions",
        ),
        open=one.id != "",
        labelled_by="diagnosis-title",
        on_close=one.close,
        class_name="diagnosis",
    )
