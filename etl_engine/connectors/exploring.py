"""A session for looking around in what a connection leads to."""

from abc import ABC, abstractmethod

from etl_engine.model.table import Table


class Explorer(ABC):
    """Used by one thread, and closed by its opener."""

    @abstractmethod
    def schemas(self) -> list[str]: ...

    @abstractmethod
    def tables(self, schema: str = "") -> list[Table]:
        """Names, kinds and sizes; without columns."""

    @abstractmethod
    def describe(self, name: str) -> Table: ...

    @abstractmethod
    def sample(self, name: str, rows: int) -> list[list[str | None]]:
        """The first rows as exact texts."""

    @abstractmethod
    def close(self) -> None: ...


class Explores:
    """A connector that can be looked around in."""

    def explore(self) -> Explorer:
        raise NotImplementedError
