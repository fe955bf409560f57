"""The data plane of files: what the connectors of a folder and of a bucket inherit. Loads no driver by itself."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from etl_engine.connectors.files.options import FileOptions
from etl_engine.connectors.rows import Destination, Explorer, Explores, Reads, Source, Writes

if TYPE_CHECKING:
    from etl_engine.connectors.files.folder import Folder


class FilesData(Reads, Writes, Explores):
    """Opens sessions of its own; several may be open at once."""

    _options: FileOptions

    @abstractmethod
    def open_folder(self) -> "Folder":
        """The place the files lie in, reached and allowed."""

    def open_source(self) -> Source:
        from etl_engine.connectors.files.source import FilesSource

        return FilesSource(self.open_folder(), self._options)

    def open_destination(self) -> Destination:
        from etl_engine.connectors.files.destination import FilesDestination

        return FilesDestination(self.open_folder(), self._options)

    def explore(self) -> Explorer:
        from etl_engine.connectors.files.explorer import FilesExplorer

        return FilesExplorer(self.open_folder(), self._options)
