"""From the name of a table to the files it is made of: one file, a folder, or a pattern."""

import re
from dataclasses import dataclass

from etl_engine.connectors.files.folder import Folder, Item, checked
from etl_engine.connectors.files.formats import Shape, is_data, is_hidden, shape_of
from etl_engine.connectors.files.options import FileOptions
from etl_engine.connectors.names import instead
from etl_engine.errors import BadInput, Missing
from etl_engine.model.table import TableName

_PATTERN = re.compile(r"[*?\[]")
_MOST_FILES = 100_000
_SHOWN = 500  # of names that are compared with one that is not there


@dataclass(frozen=True)
class Found:
    """The files of a table, each in the same shape."""

    name: TableName
    items: tuple[Item, ...]
    shape: Shape

    @property
    def size(self) -> int:
        return sum(item.size for item in self.items)


def clean(table: str) -> str:
    """A table's name as a path, whether it was written plain or in quotes."""
    if len(table) > 2 and table.startswith('"') and table.endswith('"'):
        table = table[1:-1].replace('""', '"')
    return checked(table, what="table")


def find(folder: Folder, table: str, options: FileOptions) -> Found:
    """Missing, with the names that look alike, where nothing is there."""
    path = clean(table)
    name = TableName("", path)
    item = None if _PATTERN.search(path) else folder.item(path)
    if item is not None:
        return Found(name, (item,), shape_of(path, options))
    items = _under(folder, path, options)
    if not items:
        raise _missing(folder, path)
    shapes = {shape_of(item.path, options): item.path for item in items}
    if len({shape.format for shape in shapes}) > 1 or len({shape.delimiter for shape in shapes}) > 1:
        paths = list(shapes.values())
        raise BadInput(
            f"{path} has files of different formats: {paths[0]} and {paths[1]}",
            hint="Name those of one format: orders/*.csv",
        )
    return Found(name, tuple(items), next(iter(shapes)))


def _under(folder: Folder, path: str, options: FileOptions) -> list[Item]:
    fixed = path
    matches = None
    if _PATTERN.search(path):
        fixed = _PATTERN.split(path)[0].rpartition("/")[0]
        try:
            matches = re.compile(translated(path))
        except re.error as error:
            raise BadInput(
                f"The pattern {path} cannot be read: {error}", hint="Look at its square brackets."
            ) from error
    found = []
    for item in folder.items(fixed):
        inner = item.path.removeprefix(f"{fixed}/") if fixed else item.path
        if is_hidden(inner):
            continue
        if matches.fullmatch(item.path) if matches else is_data(inner, options):
            found.append(item)
            if len(found) > _MOST_FILES:
                raise BadInput(f"{path} has more than {_MOST_FILES} files", hint="Name fewer of them.")
    return found


def translated(pattern: str) -> str:
    """A glob as a regular expression: * and ? stay within one folder, ** goes through all of them."""
    made, at = "", 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            made, at = made + "(?:[^/]+/)*", at + 3
        elif pattern.startswith("**", at):
            made, at = made + ".*", at + 2
        elif pattern[at] == "[" and (end := pattern.find("]", at + 2)) > 0:
            inside = pattern[at + 1 : end].replace("\\", r"\\").replace("[", r"\[").replace("&&", r"\&\&")
            inside = f"^{inside[1:]}" if inside.startswith("!") else inside.replace("^", r"\^", 1)
            made, at = f"{made}(?!/)[{inside}]", end + 1
        else:
            made += {"*": "[^/]*", "?": "[^/]"}.get(pattern[at], re.escape(pattern[at]))
            at += 1
    return made


def _missing(folder: Folder, path: str) -> Missing:
    near = _PATTERN.split(path)[0].rpartition("/")[0] if _PATTERN.search(path) else path.rpartition("/")[0]
    known = _names(folder, near) or _names(folder, "")
    what = "matches no file" if _PATTERN.search(path) else "is not there"
    return Missing(
        f"{path} {what} in {folder.where}{instead(path, known)}",
        kind=folder.kind,
        hint="Correct the path, or put the file there; names are relative to the folder of the connection.",
    )


def _names(folder: Folder, under: str) -> dict[str, None]:
    """Of files and of the folders they are in."""
    known: dict[str, None] = {}
    for item in folder.items(under):
        if is_hidden(item.path):
            continue
        known[item.path] = None
        for cut in range(1, item.path.count("/") + 1):
            known["/".join(item.path.split("/")[:cut])] = None
        if len(known) > _SHOWN:
            break
    return known
