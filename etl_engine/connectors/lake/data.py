"""The data plane of a lake, of a saved connection or built in. Loads no driver by itself."""

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from etl_engine.connectors.rows import Destination, Explorer, Explores, Reads, Source, Writes

if TYPE_CHECKING:
    from etl_engine.connectors.lake.place import Lake


BUILT_IN_LAKE = "lake"  # in the place of the id of a connection


class LakeData(Reads, Writes, Explores):
    """Opens sessions of its own; several may be open at once."""

    @abstractmethod
    def open_lake(self) -> "Lake":
        """The place the tables lie in, reached and allowed."""

    def open_source(self) -> Source:
        from etl_engine.connectors.lake.source import LakeSource

        return LakeSource(self.open_lake())

    def open_destination(self) -> Destination:
        from etl_engine.connectors.lake.destination import LakeDestination

        return LakeDestination(self.open_lake())

    def explore(self) -> Explorer:
        from etl_engine.connectors.lake.explorer import LakeExplorer

        return LakeExplorer(self.open_lake())


class BuiltInLake(LakeData):
    """The lake in a folder of the engine's own, such as DATA_DIR/lake: there without a connection."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open_lake(self) -> "Lake":
        from etl_engine.connectors.files.local import LocalFolder
        from etl_engine.connectors.lake.place import Lake

        self._folder.mkdir(parents=True, exist_ok=True)
        root = self._folder.resolve()
        return Lake(LocalFolder(root), str(root))
