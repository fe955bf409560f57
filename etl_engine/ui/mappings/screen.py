"""What the editor of a mapping shows, and how each thing that happens changes it."""

import copy
import difflib
from dataclasses import asdict, replace
from typing import Any, TypeVar

import reflex as rx

from etl_engine.model.schema import SchemaColumn
from etl_engine.services.mapping_drafts import Opened, Tried
from etl_engine.ui.mappings import draft as drafts
from etl_engine.ui.mappings.draft import OPTIONS, STEPS, Draft, Rule, Step
from etl_engine.ui.mappings.grid import Grid, Side, sides_of
from etl_engine.ui.mappings.options import Choice, Panel, inputs_of, step_panels
from etl_engine.ui.mappings.parts import Column, Field, Link, Snapshot, Source, Wrong
from etl_engine.ui.session import Trouble

T = TypeVar("T")
_KEPT = 100  # steps that can be taken back
_ALIKE = 0.82  # how near two names must be to be mapped without being equal


class EditorScreen(rx.State, mixin=True):
    """One mapping being made or changed, as one browser tab sees it."""

    place: str = ""  # "new", or the id of the mapping
    ready: bool = False
    missing: bool = False
    trouble: Trouble = Trouble()
    turn: int = 0  # goes up when inputs must begin anew
    draft: Draft = Draft()
    title: str = ""  # as it is stored
    query: str = ""  # what the query editor begins with
    query_turn: int = 0
    sources: rx.Field[list[Source]] = rx.field(default_factory=list)
    destinations: rx.Field[list[Choice]] = rx.field(default_factory=list)
    schemas: rx.Field[list[Choice]] = rx.field(default_factory=list)
    tables: rx.Field[dict[str, list[str]]] = rx.field(default_factory=dict)  # qualified name -> columns

    columns: rx.Field[list[Column]] = rx.field(default_factory=list)
    fields: rx.Field[list[Field]] = rx.field(default_factory=list)
    links: rx.Field[list[Link]] = rx.field(default_factory=list)
    panel: Panel = Panel()
    grid: Grid = Grid()
    given: Side = Side()  # the rows of the source,
    made: Side = Side()  # and what becomes of them
    wrong: rx.Field[list[Wrong]] = rx.field(default_factory=list)
    refused: rx.Field[dict[str, str]] = rx.field(default_factory=dict)  # by input, what a service said no to

    query_trouble: Trouble = Trouble()
    looking: bool = False
    outdated: bool = False  # the rows are of another query than the one in the editor
    saving: bool = False
    stale: bool = False  # somebody else changed it meanwhile
    dirty: bool = False
    backup: str = ""  # what is not stored, for the browser to keep
    focus: str = ""  # the element that is to have it, and how often that was wanted
    can_undo: bool = False
    can_redo: bool = False

    _query: str = ""
    _rules: rx.Field[list[Rule]] = rx.field(default_factory=list)
    _columns: rx.Field[list[SchemaColumn]] = rx.field(default_factory=list)  # of the target schema
    _problems: rx.Field[list[tuple[str, str, str]]] = rx.field(default_factory=list)  # pointer, words, fix
    _seen: Opened | None = None
    _saved: str = ""
    _past: rx.Field[list[Snapshot]] = rx.field(default_factory=list)
    _future: rx.Field[list[Snapshot]] = rx.field(default_factory=list)
    _merging: str = ""  # typing on in one input is one step
    _chosen: str = ""  # the column mapping that is looked at
    _field: str = ""  # or the field that nothing fills yet
    _made: int = 0
    _wanted: int = 0
    _opened: int = 0  # how often this State was filled: the first time may be after the server was started anew
    _looked: tuple[str, str] = ("", "")  # the source and the query that the columns are of
    _rows: bool = False  # whether rows were read, and not the columns alone

    @rx.var
    def dialect(self) -> str:
        return next((one.db_type for one in self.sources if one.value == self.draft.source), "")

    @rx.var
    def mapping_id(self) -> str:
        """Empty for a new one."""
        return "" if self.place == "new" else self.place

    def _open(self, place: str, found: Opened, source: str = "") -> None:
        self.place, self.missing, self.trouble, self.stale = place, False, Trouble(), False
        self._choices(found)
        self._seen = found
        self.draft = drafts.of_mapping(found.mapping) if found.mapping else Draft(source=self._usual(source))
        self.title = found.mapping.name if found.mapping else ""
        self._query = self.query = found.mapping.source_query if found.mapping else ""
        self.query_turn += 1
        self.turn += 1
        self._made, self._opened = 0, self._opened + 1
        self._rules = [drafts.of_rule(one, self._named()) for one in found.rules]
        self._past, self._future, self._merging, self._chosen, self._field = [], [], "", "", ""
        self._columns, self._problems, self._looked, self._rows = [], [], ("", ""), False
        self.tables, self.columns, self.panel = {}, [], Panel()
        self.grid, self.given, self.made = Grid(), Side(), Side()
        self.query_trouble, self.outdated, self.refused = Trouble(), False, {}
        self.looking = self.saving = False
        self._saved = self._written()
        self.ready = True
        self._draw()

    def _choices(self, found: Opened) -> None:
        self._show(
            sources=[Source(one.id, one.name, one.db_type) for one in found.connections if one.answers_queries],
            destinations=[Choice(one.id, one.name) for one in found.connections],
            schemas=[Choice(one.id, one.name) for one in found.schemas],
        )

    def _usual(self, asked: str) -> str:
        known = [one.value for one in self.sources]
        return asked if asked in known else known[0] if len(known) == 1 else ""

    def _named(self) -> str:
        self._made += 1
        return f"r{self._made}"

    def _written(self) -> str:
        """Everything that would be stored, to see whether it is stored."""
        return repr((asdict(self.draft), self._query, [drafts.as_rule(one) for one in unwatched(self._rules)]))

    def _remember(self, merging: str = "") -> None:
        """What is there can be taken back, whatever comes next."""
        if not (merging and merging == self._merging):
            self._past = [*self._past, Snapshot(self.draft.schema, copy.deepcopy(self._rules))][-_KEPT:]
        self._merging, self._future = merging, []

    def _turn_back(self, here: list[Snapshot], there: list[Snapshot]) -> bool:
        if not here:
            return False
        there.append(Snapshot(self.draft.schema, copy.deepcopy(self._rules)))
        last = here.pop()
        self.draft, self._rules, self._merging = replace(self.draft, schema=last.schema), last.rules, ""
        self.turn += 1
        return True

    def _rule(self, rule_id: str) -> Rule | None:
        return next((one for one in self._rules if one.id == rule_id), None)

    def _filling(self, target: str) -> Rule | None:
        return next((one for one in self._rules if target in one.targets), None)

    def _add(self, type_: str, sources: list[str], targets: list[str]) -> None:
        rule = Rule(self._named(), type_, sources, targets, dict(OPTIONS[type_]))
        self._rules = [*unwatched(self._rules), rule]
        self._chosen, self._field = rule.id, ""

    def _connect(self, source: str, target: str) -> None:
        """A line was drawn: the field is filled by this column, or by this one too."""
        rule = self._filling(target)
        if rule and rule.type == "split":
            if rule.sources == [source]:
                self._chosen, self._field = rule.id, ""
                return
            self._take_out(rule, target)
            rule = None
        if rule is None:
            self._add("direct", [source], [target])
        elif rule.type == "constant":
            self._retype(rule, "direct", [source])
        elif source not in rule.sources:
            self._retype(rule, "join", [*rule.sources, source])
        if rule:
            self._chosen, self._field = rule.id, ""

    def _retype(self, rule: Rule, type_: str, sources: list[str]) -> None:
        kept = {name: value for name, value in rule.options.items() if name in OPTIONS[type_]}
        rule.type, rule.sources, rule.options = type_, sources, {**OPTIONS[type_], **kept}
        if type_ != "split":
            rule.targets = rule.targets[:1]
        if type_ in ("direct", "split"):
            rule.sources = rule.sources[:1]
        if type_ == "constant":
            rule.sources, rule.steps = [], []

    def _take_out(self, rule: Rule, target: str) -> None:
        rule.targets = [name for name in rule.targets if name != target]
        if not rule.targets:
            self._rules = [one for one in unwatched(self._rules) if one.id != rule.id]

    def _auto_map(self) -> tuple[int, list[str]]:
        """Map by name; answers how many by equal names, and which fields by names that are near."""
        free = [one.name for one in self._columns if not self._filling(one.name)]
        used = {name for rule in self._rules for name in rule.sources}
        left = {_plain(one.name): one.name for one in reversed(self.columns) if one.name not in used}
        equal, near = 0, []
        for target in list(free):
            if source := left.pop(_plain(target), ""):
                self._add("direct", [source], [target])
                free.remove(target)
                equal += 1
        for target in free:
            found = difflib.get_close_matches(_plain(target), list(left), 1, _ALIKE)
            if found:
                self._add("direct", [left.pop(found[0])], [target])
                near.append(target)
        return equal, near

    def _step(self, rule: Rule, op: str) -> None:
        rule.steps = [*unwatched(rule.steps), Step(f"{rule.id}{self._named()}", op, dict(STEPS[op]))]

    def _take(self, found: Tried) -> None:
        """How it stands, as a service says."""
        self._columns = found.columns
        self._problems = [(one.pointer, one.message, one.fix) for one in found.problems if one.pointer != _UNMAPPED]
        shown = found.preview
        if shown is not None:
            first = shown.rows[0] if shown.rows else []
            self.columns = [
                Column(one.name, one.native, (first[place] or "")[:60] if first else "")
                for place, one in enumerate(shown.columns)
            ]
        grid, given, made = sides_of(shown, self._rows)
        self._show(grid=grid, given=given, made=made)
        self._draw()

    def _draw(self) -> None:
        """Everything that follows from what there is."""
        by_rule, rules = self._by_rule(), unwatched(self._rules)
        known = {one.name for one in self.columns if one.native}
        used = [name for rule in rules for name in rule.sources]
        columns = [replace(one, used=one.name in used) for one in unwatched(self.columns) if one.native]
        columns += [Column(name, "", used=True) for name in dict.fromkeys(used) if name not in known]
        dirty = self._written() != self._saved
        filling = {name: rule for rule in reversed(rules) for name in rule.targets}
        self._show(
            columns=columns,
            links=[
                Link(one.id, one.type, drafts.said(one), list(one.sources), list(one.targets), one.id in by_rule)
                for one in rules
            ],
            fields=[_drawn(one, filling.get(one.name), by_rule) for one in unwatched(self._columns)],
            panel=self._panel(by_rule, filling),
            wrong=self._wrongs(by_rule, filling),
            dirty=dirty,
            backup=drafts.packed(unwatched(self.draft), self._query, rules) if dirty else "",
            outdated=self._rows and self._looked != (self.draft.source, self._query),
            can_undo=bool(self._past),
            can_redo=bool(self._future),
        )

    def _show(self, **values: Any) -> None:
        """What is the same already is not sent again: this runs at every letter that is typed."""
        for name, value in values.items():
            if getattr(self, name) != value:
                setattr(self, name, value)

    def _by_rule(self) -> dict[str, dict[str, str]]:
        """What is wrong, by column mapping and by the place in it."""
        rules, found = unwatched(self._rules), dict[str, dict[str, str]]()
        for pointer, words, fix in self._problems:
            parts = pointer.strip("/").split("/")
            if parts[0] == "column_mappings" and len(parts) > 1 and parts[1].isdigit():
                place = int(parts[1])
                if place < len(rules):
                    at = found.setdefault(rules[place].id, {})
                    at.setdefault("/".join(parts[2:]), f"{words[:1].upper()}{words[1:]}. {fix}".strip())
        return found

    def _panel(self, by_rule: dict[str, dict[str, str]], filling: dict[str, Rule]) -> Panel:
        names = [one.name for one in unwatched(self.columns)]
        rule = next((one for one in unwatched(self._rules) if one.id == self._chosen), None)
        if rule is None:
            return Panel(target=self._field, more_sources=names) if self._field else Panel()
        problems = by_rule.get(rule.id, {})
        fields = unwatched(self._columns)
        moments = any(one.name in rule.targets and one.data_type in _MOMENTS for one in fields)
        inputs, steps = inputs_of(rule, problems, moments=moments), step_panels(rule, problems)
        shown = {one.problem for one in [*inputs, *(one for step in steps for one in step.inputs)]}
        free = [one.name for one in fields if one.name not in filling]
        return Panel(
            id=rule.id,
            type=rule.type,
            title=", ".join(rule.targets),
            sources=list(rule.sources),
            targets=list(rule.targets),
            more_sources=[name for name in names if name not in rule.sources],
            more_targets=free,
            inputs=inputs,
            steps=steps,
            problems=[words for words in problems.values() if words not in shown],
        )

    def _wrongs(self, by_rule: dict[str, dict[str, str]], filling: dict[str, Rule]) -> list[Wrong]:
        """Everything that keeps it from running, each with the place to go to."""
        here = self.draft
        said = [
            (not here.name.strip(), "name", "It has no name", "Give it one."),
            (not here.source, "source", "It has no source", "Choose a connection."),
            (not self._query.strip(), "query", "It has no query", "Write one SELECT."),
            (not here.schema, "schema", "It has no schema to fill", "Choose one, or make one of the columns."),
            (bool(here.destination) and not here.table.strip(), "table", "The table to write is missing", "Name it."),
            (self._needs_key(), "mode", "Merge needs key columns, and the schema has none", "Mark them, or append."),
        ]
        found = [Wrong(f"page-{name}", words, fix, input=name) for on, name, words, fix in said if on]
        if self.query_trouble.message and self._query.strip():
            found.append(Wrong("page-trouble", self.query_trouble.message, self.query_trouble.hint, input="query"))
        names = {one.id: ", ".join(one.targets) for one in unwatched(self._rules)}
        for rule_id, problems in by_rule.items():
            who = names[rule_id]
            found += [Wrong(f"{rule_id}-{at}", who, words, rule=rule_id) for at, words in problems.items()]
        found += [
            Wrong(f"field-{one.name}", one.name, "Needs a value, and nothing fills it.", field=one.name)
            for one in unwatched(self._columns)
            if not one.nullable and one.name not in filling
        ]
        if self._columns and not self._rules and not any(one.field for one in found):
            found.append(Wrong("no-rules", "No field is filled", "Draw a line from a column to a field.", input="auto"))
        return found

    def _needs_key(self) -> bool:
        return self.draft.mode == "merge" and bool(self._columns) and not any(one.key for one in self._columns)


def _drawn(column: SchemaColumn, rule: Rule | None, by_rule: dict[str, dict[str, str]]) -> Field:
    told = drafts.said(rule) if rule else ""
    sources = " + ".join(rule.sources) if rule else ""
    said = " · ".join(part for part in (sources, told) if part)
    shown = Field(column.name, column.data_type, column.required, column.key, said=said)
    return replace(shown, rule=rule.id, problem=rule.id in by_rule) if rule else shown


def unwatched(value: T) -> T:
    """A value of a State to be read, without what watches it for changes: that makes reading forty times slower."""
    found: T = getattr(value, "__wrapped__", value)
    return found


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


_UNMAPPED = "/column_mappings"  # the screen says it field by field
_MOMENTS = ("date", "timestamp", "timestamptz")
