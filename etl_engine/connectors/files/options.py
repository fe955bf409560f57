"""What a connection says about its files; nothing of it is ever guessed."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from etl_engine.model.connection import ConnectionConfig
from etl_engine.model.text import Described, Plain, whole_number

Format = Literal["parquet", "csv", "jsonl"]
Encoding = Literal[
    "utf-8", "utf-16", "latin-1", "iso-8859-15", "windows-1250", "windows-1251", "windows-1252", "shift_jis", "gb18030"
]
_CSV = {"group": "csv"}
_WRITTEN = {"group": "written"}
_MEGABYTES = 256


def _one_byte(text: str) -> str:
    if len(text) != 1 or not 32 <= ord(text) < 127 or text.isalnum() or text == '"':
        raise ValueError("must be one character such as , ; or |, or the word tab")
    return text


Delimiter = Annotated[
    str,
    AfterValidator(lambda text: text if text == "tab" else _one_byte(text)),
    Described(pattern=r"^(tab|[ !#-/:-@\[-`{-~])$"),
]


class FileOptions(ConnectionConfig):
    """How files are read and written, the same in a folder and in a bucket."""

    file_format: Annotated[
        Format | None,
        Field(
            title="Format of files without a known ending",
            description="Files ending in .parquet, .csv, .tsv or .jsonl (also .gz, .zst) say it themselves.",
        ),
    ] = None
    csv_delimiter: Annotated[
        Delimiter,
        Field(title="CSV delimiter", description="One character, or tab.", json_schema_extra=_CSV),
    ] = ","
    csv_quoted: Annotated[
        bool,
        Field(title="CSV quotes", description='Values may stand in "quotes".', json_schema_extra=_CSV),
    ] = True
    csv_header: Annotated[
        bool,
        Field(title="CSV header", description="The first row has the names.", json_schema_extra=_CSV),
    ] = True
    csv_encoding: Annotated[Encoding, Field(title="CSV encoding", json_schema_extra=_CSV)] = "utf-8"
    csv_null: Annotated[
        Plain,
        Field(
            title="CSV text for NULL",
            description="Where it stands without quotes; an empty value by default.",
            max_length=40,
            json_schema_extra=_CSV,
        ),
    ] = ""
    csv_types: Annotated[
        Literal["text", "infer"],
        Field(
            title="CSV types",
            description="text: every column as it stands. infer: a type where every value of the whole file keeps "
            "its meaning in it ('007' stays text).",
            json_schema_extra=_CSV,
        ),
    ] = "text"
    write_format: Annotated[
        Format,
        Field(
            title="Written as",
            description="Of new tables whose name has no ending that says it.",
            json_schema_extra=_WRITTEN,
        ),
    ] = "parquet"
    write_compression: Annotated[
        Literal["none", "gzip", "zstd"],
        Field(title="Compression", description="Of CSV and JSONL; Parquet is zstd inside.", json_schema_extra=_WRITTEN),
    ] = "none"
    write_megabytes: Annotated[
        int,
        Field(
            title="Megabytes per file",
            description="About where the next file begins.",
            ge=1,
            le=4096,
            json_schema_extra=_WRITTEN,
        ),
        BeforeValidator(whole_number),  # behind the limits, which otherwise are not in the JSON schema
    ] = _MEGABYTES
