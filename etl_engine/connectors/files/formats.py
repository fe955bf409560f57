"""Which format a file is in: its ending says it, or the connection does."""

from dataclasses import dataclass

from etl_engine.connectors.files.options import FileOptions
from etl_engine.errors import BadInput

_ENDINGS = {
    "parquet": "parquet",
    "pq": "parquet",
    "csv": "csv",
    "tsv": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
}
_COMPRESSED = {"gz": "gzip", "gzip": "gzip", "zst": "zstd", "zstd": "zstd", "bz2": "bz2"}
_ENDING_OF = {"none": "", "gzip": ".gz", "zstd": ".zst"}


@dataclass(frozen=True)
class Shape:
    """How the bytes of a file are to be understood, or written."""

    format: str
    compression: str = "none"
    delimiter: str = ","
    quoted: bool = True
    header: bool = True
    encoding: str = "utf-8"
    null: str = ""
    types: str = "text"

    @property
    def ending(self) -> str:
        name = "tsv" if self.format == "csv" and self.delimiter == "\t" else self.format
        return f".{name}{_ENDING_OF[self.compression] if self.format != 'parquet' else ''}"


def shape_of(path: str, options: FileOptions) -> Shape:
    """Of a file to be read. BadInput where neither its name nor the connection says what it is."""
    format_, compression, tabbed = _said(path)
    if not format_:
        format_ = options.file_format or ""
    if not format_:
        raise BadInput(
            f"The name {path} does not say what format the file is in",
            hint="End its name in .parquet, .csv, .tsv or .jsonl, or set the connection's file_format.",
        )
    return _shaped(format_, compression, tabbed, options)


def is_data(path: str, options: FileOptions) -> bool:
    return bool(_said(path)[0] or options.file_format) and not is_hidden(path)


def is_hidden(path: str) -> bool:
    """Names that begin with a dot or an underscore are not data: markers, logs, and what is being written."""
    return any(part.startswith((".", "_")) for part in path.split("/"))


def shape_to_write(target: str, options: FileOptions) -> Shape:
    """Of a new table: its name may end like a file of the wanted format."""
    format_, compression, tabbed = _said(target)
    if compression == "bz2":
        raise BadInput(f"{target}: bz2 is read and not written", hint="End the name in .gz or .zst.")
    if not format_:
        return _written(_shaped(options.write_format, options.write_compression, False, options))
    if format_ == "parquet" and compression != "none":
        raise BadInput(f"{target}: Parquet is compressed inside", hint="End the name in .parquet.")
    return _written(_shaped(format_, compression, tabbed, options))


def _written(shape: Shape) -> Shape:
    """Written so that every reader gets back what was there: quoted, with names, as UTF-8, NULL unquoted and empty."""
    return Shape(shape.format, shape.compression, shape.delimiter)


def _shaped(format_: str, compression: str, tabbed: bool, options: FileOptions) -> Shape:
    delimiter = "\t" if tabbed or options.csv_delimiter == "tab" else options.csv_delimiter
    return Shape(
        format_,
        compression,
        delimiter,
        options.csv_quoted,
        options.csv_header,
        options.csv_encoding,
        options.csv_null,
        options.csv_types,
    )


def _said(path: str) -> tuple[str, str, bool]:
    parts = path.rpartition("/")[2].lower().split(".")[1:]
    compression = "none"
    if parts and parts[-1] in _COMPRESSED:
        compression = _COMPRESSED[parts.pop()]
    ending = parts[-1] if parts else ""
    return _ENDINGS.get(ending, ""), compression, ending == "tsv"
