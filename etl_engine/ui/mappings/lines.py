"""The lines between columns and fields: drawn, looked at, changed, taken back."""

from typing import Any

from etl_engine.ui.mappings.draft import STEPS
from etl_engine.ui.mappings.options import TYPES
from etl_engine.ui.mappings.screen import EditorScreen, unwatched
from etl_engine.ui.props import event

_LONGEST_OPTION = 5_000


class LineEvents(EditorScreen, mixin=True):
    """What happens to column mappings. Handlers take whatever the wire brings; each change is tried on the rows."""

    @event
    def connect(self, source: str, target: str) -> Any:
        """A line was drawn from a column to a field."""
        return self._line(str(source), str(target)) if self.ready else None

    @event
    def select(self, rule_id: str) -> None:
        """Look at a column mapping."""
        if self._rule(str(rule_id)):
            self._chosen, self._field = str(rule_id), ""
            self._draw()

    @event
    def select_field(self, name: str) -> None:
        """Look at what fills a field, or could."""
        if str(name) in [one.name for one in self._columns]:
            rule = self._filling(str(name))
            self._chosen, self._field = (rule.id, "") if rule else ("", str(name))
            self._draw()

    @event
    def close_panel(self) -> None:
        """Look at nothing in particular."""
        self._chosen = self._field = ""
        self._draw()

    @event
    def fill_constant(self) -> Any:
        """The chosen field is the same in every row."""
        if not self._field:
            return None
        self._remember()
        self._add("constant", [], [self._field])
        return self._changed()

    @event
    def fill_from(self, source: str) -> Any:
        """The chosen field is this column."""
        return self._line(str(source), self._field) if self._field else None

    @event
    def set_type(self, type_: str) -> Any:
        """Another way from the columns to the fields."""
        rule = self._rule(self._chosen)
        if rule is None or str(type_) not in TYPES or rule.type == type_:
            return None
        if type_ != "constant" and not rule.sources and not self.columns:
            return None
        self._remember()
        sources = list(rule.sources) or [self.columns[0].name] * (type_ != "constant")
        self._retype(rule, str(type_), sources)
        return self._changed()

    @event
    def set_option(self, rule_id: str, step_id: str, name: str, value: str) -> Any:
        """An option of a column mapping, or of a step of it."""
        rule = self._rule(str(rule_id))
        options = None
        if rule is not None and not step_id:
            options = rule.options
        elif rule is not None:
            options = next((one.options for one in rule.steps if one.id == str(step_id)), None)
        if options is None or str(name) not in options:
            return None
        self._remember(f"{rule_id}/{step_id}/{name}")
        options[str(name)] = str(value)[:_LONGEST_OPTION]
        return self._again()

    @event
    def add_source(self, name: str) -> Any:
        """One more column of a join; of the others, another one."""
        rule = self._rule(self._chosen)
        if rule is None or rule.type == "constant" or str(name) not in [one.name for one in self.columns]:
            return None
        self._remember()
        rule.sources = [*rule.sources, str(name)] if rule.type == "join" else [str(name)]
        return self._changed()

    @event
    def remove_source(self, name: str) -> Any:
        """One column less of a join."""
        rule = self._rule(self._chosen)
        if rule is None or str(name) not in rule.sources or len(rule.sources) < 2:
            return None
        self._remember()
        rule.sources = [one for one in rule.sources if one != str(name)]
        return self._changed()

    @event
    def add_target(self, name: str) -> Any:
        """One more field of a split; of the others, another one."""
        rule, free = self._rule(self._chosen), [one.name for one in self._columns if not self._filling(one.name)]
        if rule is None or str(name) not in free:
            return None
        self._remember()
        rule.targets = [*rule.targets, str(name)] if rule.type == "split" else [str(name)]
        return self._changed()

    @event
    def remove_target(self, name: str) -> Any:
        """One field less of a split."""
        rule = self._rule(self._chosen)
        if rule is None or str(name) not in rule.targets or len(rule.targets) < 2:
            return None
        self._remember()
        self._take_out(rule, str(name))
        return self._changed()

    @event
    def add_step(self, op: str) -> Any:
        """One more step before everything else."""
        rule = self._rule(self._chosen)
        if rule is None or str(op) not in STEPS or rule.type == "constant":
            return None
        self._remember()
        self._step(rule, str(op))
        return self._changed()

    @event
    def remove_step(self, step_id: str) -> Any:
        """One step less."""
        rule = self._rule(self._chosen)
        if rule is None or str(step_id) not in [one.id for one in rule.steps]:
            return None
        self._remember()
        rule.steps = [one for one in unwatched(rule.steps) if one.id != str(step_id)]
        return self._changed()

    @event
    def remove_rule(self) -> Any:
        """The fields that it filled are empty again."""
        if self._rule(self._chosen) is None:
            return None
        self._remember()
        self._rules = [one for one in unwatched(self._rules) if one.id != self._chosen]
        self._chosen = ""
        return self._changed()

    @event
    def undo(self) -> Any:
        """Take the last change of the lines back."""
        return self._changed() if self._turn_back(self._past, self._future) else None

    @event
    def redo(self) -> Any:
        """Do it again."""
        return self._changed() if self._turn_back(self._future, self._past) else None

    @event
    def go_to(self, wrong_id: str) -> None:
        """The place of something that is wrong."""
        wrong = next((one for one in self.wrong if one.id == str(wrong_id)), None)
        if wrong is None:
            return
        if wrong.rule:
            self._chosen, self._field = wrong.rule, ""
        elif wrong.field:
            self._chosen, self._field = "", wrong.field
        self._draw()
        self._wanted += 1
        self.focus = f"{f'page-{wrong.input}' if wrong.input else 'rule-panel'}#{self._wanted}"

    def _changed(self) -> Any:
        self._draw()
        return self._again()

    def _line(self, source: str, target: str) -> Any:
        known, fields = [one.name for one in self.columns], [one.name for one in self._columns]
        if source not in known or target not in fields:
            return None
        self._remember()
        self._connect(source, target)
        return self._changed()

    def _again(self) -> Any:
        page: Any = self.__class__
        return page.try_again
