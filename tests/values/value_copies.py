"""Every kind on both sides, and copies between them."""

from dataclasses import dataclass, field

from value_ends import End, Found
from value_rows import NATIVES, fits, thought_of

from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.model.copies import CopyOrder, CopyPlan, CopyReceipt


@dataclass
class Ways:
    """Every kind on both sides, and copies between them."""

    sources: dict[str, End]
    targets: dict[str, End]
    _filled: dict[str, tuple[str, Found]] = field(default_factory=dict)
    _given: dict[str, str] = field(default_factory=dict)

    def corpus(self, kind: str) -> tuple[str, Found]:
        """The name of the table with the corpus, and what its own reader finds in it."""
        if kind not in self._filled:
            end = self.sources[kind]
            name = end.fill("corpus")
            self._filled[kind] = name, end.read(name)
        return self._filled[kind]

    def rows(self, kind: str) -> str:
        """The name of the table with the thousand rows, those of them that the kind can hold."""
        if kind not in self._given:
            numbered = [(number, *row) for number, row in enumerate(thought_of()) if fits(kind, row)]
            self._given[kind] = self.sources[kind].give("any_rows", NATIVES[kind], numbered)
        return self._given[kind]


def _order(target: str, what: dict[str, object]) -> CopyOrder:
    return CopyOrder.model_validate({"source_id": "one", "target_id": "other", "target": target, **what})


def _ends(source: End, target: End) -> Ends:
    return Ends(source.connector.open_source, target.connector.open_destination)


def copy(source: End, target: str, other: End, **what: object) -> CopyReceipt:
    return transfer.run(_order(target, what), _ends(source, other), Progress(), Stop())


def plan(source: End, table: str, other: End, target: str) -> CopyPlan:
    return transfer.plan(_order(target, {"table": table}), _ends(source, other))
