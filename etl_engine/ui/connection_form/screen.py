"""What the dialog shows, and how each thing that happens changes it. No secret ever gets in here."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import reflex as rx
from pydantic import SecretStr

from etl_engine.errors import EtlError, Problem, Stale
from etl_engine.model.connection import StepReport, TestResult
from etl_engine.services.forms import Form
from etl_engine.services.paste import Understood
from etl_engine.ui.connection_form import containers, ladder
from etl_engine.ui.connection_form.fields import Field, Fold, defaults_of, every, fields_of
from etl_engine.ui.connection_form.guide import Block, fits, guide_of
from etl_engine.ui.connection_form.ladder import Failure, Rung
from etl_engine.ui.session import AskError, Trouble
from etl_engine.ui.words import duration

TOO_OLD = "The test does not count any more: it is older than ten minutes, or of other values"


@dataclass
class Choice:
    """A kind that the connection could be."""

    db_type: str
    title: str


@dataclass
class Read:
    """A field that the paste box filled, and where it found the value."""

    title: str
    source: str


class FormScreen(rx.State, mixin=True):
    """One connection being made or changed, as one browser tab sees it."""

    visited: bool = False  # whether a page has said that it is there
    shown: bool = False
    serial: int = 0  # of this opening: the browser makes fresh inputs for each
    missed: int = 0  # how often there was nothing to open
    connection_id: str = ""  # empty for a new one
    name: str = ""  # as it is stored
    db_type: str = ""
    kinds: rx.Field[list[Choice]] = rx.field(default_factory=list)
    fields: rx.Field[list[Field]] = rx.field(default_factory=list)
    folds: rx.Field[list[Fold]] = rx.field(default_factory=list)
    guide: rx.Field[list[Block]] = rx.field(default_factory=list)

    problems: rx.Field[dict[str, str]] = rx.field(default_factory=dict)  # by field
    advice: rx.Field[dict[str, str]] = rx.field(default_factory=dict)  # by field, where nothing is wrong
    trouble: Trouble = Trouble()  # of the form as a whole
    stale: bool = False
    attempt: int = 0
    touched: rx.Field[list[str]] = rx.field(default_factory=list)
    touched_since_test: rx.Field[list[str]] = rx.field(default_factory=list)

    pasted: str = ""  # what the text was: "PostgreSQL URL"
    read: rx.Field[list[Read]] = rx.field(default_factory=list)
    notes: rx.Field[list[str]] = rx.field(default_factory=list)
    unread: Trouble = Trouble()

    phase: str = ""  # running | passed | failed | cancelled
    results: int = 0  # how many tests have ended
    rungs: rx.Field[list[Rung]] = rx.field(default_factory=list)
    failure: Failure = Failure()
    headline: str = ""
    version: str = ""
    total: str = ""
    report: str = ""
    said: str = ""  # for screen readers

    saving: bool = False
    asking: bool = False  # whether changes may be thrown away

    _setup: str = ""
    _typed: rx.Field[dict[str, str]] = rx.field(default_factory=dict)  # the names that go into the guide
    _revision: int = 0
    _receipt: str = ""
    _tested_at: str = ""  # when the shown result came, ISO 8601
    _test: int = 0  # which test is the running one: what an earlier one still says does not count

    @rx.var
    def opening(self) -> str:
        """Which opening of the dialog this is, as a key."""
        return f"opening {self.serial}"

    @rx.var
    def dirty(self) -> bool:
        return self.shown and bool(self.touched)

    @rx.var
    def wrong(self) -> list[str]:
        return list(self.problems)

    @rx.var
    def testing(self) -> bool:
        return self.phase == "running"

    @rx.var
    def outdated(self) -> bool:
        """Whether the shown result is about other values than the form holds now."""
        return self.phase in ("passed", "failed") and _matter(self.touched_since_test)

    @rx.var
    def can_save(self) -> bool:
        """After a successful test of exactly these values; a stored connection may get a new name without one."""
        tested = self.phase == "passed" and not _matter(self.touched_since_test)
        renamed = bool(self.connection_id and self.touched) and not _matter(self.touched)
        return self.shown and (tested or renamed)

    def _show(self, form: Form) -> None:
        self._close()
        self.serial += 1
        self.shown, self.connection_id, self._revision = True, form.connection_id, form.revision
        self.name = form.values.get("name", "")
        self.kinds = [Choice(db_type, title) for db_type, title in form.kinds.items()]
        self.touched, self.problems, self.trouble, self.stale = [], {}, Trouble(), False
        self.pasted, self.read, self.notes, self.unread = "", [], [], Trouble()
        self._typed, self.advice = {}, {}
        self._lay_out(form)
        self._follow(form.values)

    def _close(self) -> None:
        """What is on the screen stays until the dialog has faded."""
        self.shown = self.asking = self.saving = False
        self._test += 1
        self._receipt = ""

    def _lay_out(self, form: Form) -> None:
        self.db_type, self._setup = form.kind.db_type, form.kind.setup
        self.fields, self.folds = fields_of(form)
        self._forget_test(form)

    def _forget_test(self, form: Form) -> None:
        self._test += 1
        self.phase, self._receipt, self.failure, self.report, self.said = "", "", Failure(), "", ""
        self.touched_since_test, self._tested_at = [], ""
        self.rungs = ladder.remembered(ladder.rungs_of(form.steps), form.last_test)

    def _change_kind(self, form: Form) -> dict[str, str]:
        """The fields of another kind; answers what untouched fields hold now, since their default is another."""
        before = defaults_of(self.fields, self.folds)
        kept = {one.name for one in every(self.fields, self.folds) if one.kept}
        self._lay_out(Form(form.kind, form.kinds, form.steps, form.values, frozenset(kept & _declared(form))))
        self.problems = {name: said for name, said in self.problems.items() if name == "name"}
        self._touch("db_type")
        self._follow({})
        after = defaults_of(self.fields, self.folds)
        return {
            name: after[name]
            for name in before.keys() & after
            if before[name] != after[name] and name not in self.touched
        }

    def _names(self) -> set[str]:
        return {"db_type", *(one.name for one in every(self.fields, self.folds))}

    def _titles(self) -> dict[str, str]:
        return {one.name: one.title for one in every(self.fields, self.folds)}

    def _touch(self, *names: str) -> None:
        self.touched = _with(self.touched, names)
        self.touched_since_test = _with(self.touched_since_test, names)
        self.problems = {name: said for name, said in self.problems.items() if name not in names}
        self.stale = False

    def _mark(self, problems: Mapping[str, str], among: Collection[str]) -> None:
        """What is wrong with these fields now; what is said of others stays."""
        self.problems = {name: said for name, said in self.problems.items() if name not in among} | dict(problems)

    def _follow(self, values: Mapping[str, Any]) -> None:
        """What is said beside the form follows what these fields hold now."""
        if "host" in values:
            self.advice = {"host": said} if (said := containers.advice(str(values["host"]))) else {}
        for name in ("username", "database"):
            if name in values:  # what does not fit is not kept: somebody may have pasted a whole URL into the field
                self._typed[name] = str(values[name]) if fits(str(values[name])) else ""
        self.guide = guide_of(self._setup, self._typed.get("username", ""), self._typed.get("database", ""))

    def _fill(self, found: Understood, other_kind: Form | None) -> dict[str, str]:
        """What a pasted text says; answers what goes into the fields, past this State: a password may be among it."""
        follow = self._change_kind(other_kind) if other_kind else {}
        texts = {name: _revealed(value) for name, value in found.fields.items() if name in self._titles()}
        self._touch(*texts)
        self._follow(texts)
        self.pasted, self.notes, self.unread = found.form, list(found.notes), Trouble()
        self.read = [Read(one.title, one.source) for one in found.understood]
        self.said = f"{found.form} read: {', '.join(one.title for one in self.read)}"
        if found.name and not self.connection_id and "name" not in self.touched:
            texts["name"] = found.name
            self._mark({}, among={"name"})
        return follow | texts

    def _begin(self) -> int:
        """A test starts; answers which."""
        self._test += 1
        self.phase, self._receipt, self.trouble, self.stale = "running", "", Trouble(), False
        self.problems, self.touched_since_test = {}, []
        self.failure, self.report = Failure(), ""
        self.rungs = ladder.again(self.rungs, self._tested_at)
        self.said = "Testing the connection"
        return self._test

    def _take(self, came: list[StepReport] | TestResult) -> None:
        if not isinstance(came, TestResult):
            self.rungs = ladder.climbed(self.rungs, came)
            return
        kind = next((one.title for one in self.kinds if one.db_type == self.db_type), self.db_type)
        self.rungs, self.report = ladder.ended(self.rungs, came), ladder.report_of(kind, came)
        self._tested_at = dt.datetime.now(dt.UTC).isoformat()
        self.results += 1
        self.total, self._receipt = duration(came.details.ms), came.details.receipt or ""
        if came.success:
            self.phase, self.version = "passed", came.details.version or ""
            self.headline = ladder.product(kind, self.version)
            self.rungs = ladder.shortened(self.rungs, self.version, self.headline)
            self.said = f"The test succeeded: {self.headline}"
            return
        self.phase, self.failure = "failed", ladder.failure_of(came)
        self.said = f"The test failed at {self.failure.title}: {self.failure.cause}"
        field = ladder.field_of(came)
        if field in self._names() and field not in self.touched_since_test:
            self.problems = {field: ladder.POINTED}

    def _stop(self) -> None:
        self._test += 1
        self.phase, self.rungs, self.said = "cancelled", ladder.stopped(self.rungs), "The test was cancelled"

    def _rebase(self, form: Form) -> dict[str, str]:
        """What somebody else stored, under what was typed here; answers what goes into the untouched fields."""
        if form.kind.db_type != self.db_type:  # nothing that was typed is sure to fit
            self._show(form)
            return {}
        self._revision, self.name = form.revision, form.values.get("name", self.name)
        self.trouble, self.stale = Trouble(), False
        self._forget_test(form)
        self.touched_since_test = list(self.touched)
        return {name: value for name, value in form.values.items() if name not in self.touched}

    def _refused(self, error: AskError) -> None:
        """A service said no: to single fields, or to the whole."""
        cause = error.__cause__
        problems = cause.problems if isinstance(cause, EtlError) else ()
        titles = self._titles()
        found: dict[str, str] = {}
        for problem in problems:
            name = problem.pointer.removeprefix("/")
            if name in titles:
                found.setdefault(name, sentence(titles[name], problem))
        self.problems, self.stale = found, isinstance(cause, Stale)
        self.trouble = Trouble() if found and len(found) == len(problems) else error.trouble
        if any(problem.code == "test-receipt" for problem in problems):
            self.phase, self._receipt = "", ""
            self.trouble = Trouble(TOO_OLD, "Test again.")
        self.attempt += 1


def sentence(title: str, problem: Problem) -> str:
    return f"{title} {problem.message.rstrip('.')}."


def _matter(names: list[str]) -> bool:
    """Whether a change of these fields makes it another connection."""
    return any(name != "name" for name in names)


def _with(names: list[str], more: Collection[str]) -> list[str]:
    return [*names, *(name for name in more if name not in names)]


def _declared(form: Form) -> set[str]:
    return set(form.kind.config_schema["properties"])


def _revealed(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
