"""Where files lie: addresses of buckets, paths of files and patterns, folders of lakes."""

import re
import urllib.parse

from etl_engine.model.pasted.fields import Found

_LONGEST = 1024
_FILE = re.compile(r"\.(?:parquet|pq|csv|tsv|jsonl|ndjson)(?:\.(?:gz|zst))?$", re.IGNORECASE)
_BUCKET = re.compile(r"s3[an]?://([A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])(?:/(.*))?$", re.IGNORECASE)
_AMAZON = re.compile(
    r"https?://(?:([a-z0-9][a-z0-9._-]{1,61}[a-z0-9])\.)?(s3[.-]([a-z0-9-]{1,40})\.amazonaws\.com)(?:/([^?#]*))?",
    re.IGNORECASE,
)
# As DuckDB and Spark name them in a query: read_parquet('…'), delta_scan('…'), delta.`…`.
_IN_SQL = re.compile(
    r"(?:from\s+)?(read_(?:parquet|csv|csv_auto|json|json_auto|ndjson)|delta_scan|delta|parquet|csv)"
    r"\s*[.(]\s*([`'\"])([^`'\"]{1,1000})\2\s*\)?;?$",
    re.IGNORECASE,
)
_LOG = "_delta_log"


def read_place(text: str) -> list[Found]:
    """A bucket, a folder of files or a lake; what the table would be is noted."""
    if "\n" in text or len(text) > _LONGEST:
        return []
    in_sql = _IN_SQL.match(text)
    path = in_sql[3] if in_sql else text
    is_lake = bool(in_sql and in_sql[1].casefold().startswith("delta"))
    bucket, amazon = _BUCKET.match(path), _AMAZON.match(path)
    if bucket:
        return [_bucket(bucket[1], bucket[2] or "", is_lake=is_lake)]
    if amazon:
        return _amazon(amazon, is_lake=is_lake)
    plain = path.removeprefix("file://").removeprefix("file:")
    if "://" in plain or "=" in plain or "\\" in plain or plain[:5].casefold() == "jdbc:":
        return []
    if is_lake or _LOG in plain.split("/"):
        return [_in_folder("lake", plain)]
    return [_in_folder("files", plain)] if in_sql or _FILE.search(plain) else []


def _amazon(address: re.Match[str], *, is_lake: bool) -> list[Found]:
    name, host, region, path = address.groups()
    path = urllib.parse.unquote(path or "")
    if not name:
        name, _, path = path.partition("/")
    if not name:
        return []
    found = _bucket(name, path, is_lake=is_lake)
    found.put("host", host, "the URL")
    found.put("region", region, "the URL")
    return [found]


def _bucket(name: str, path: str, *, is_lake: bool) -> Found:
    lake = is_lake or _LOG in path.split("/")
    found = Found("Delta table in a bucket" if lake else "S3 URL")
    found.put_kind("lake" if lake else "s3", "the URL")
    found.put("bucket", name, "the URL")
    folder, table = _cut_lake(path) if lake else _cut(path)
    found.put("folder" if lake else "prefix", folder, "the URL")
    _note(found, table)
    return found


def _in_folder(kind: str, path: str) -> Found:
    found = Found({"files": "path of a file", "lake": "path of a Delta table"}[kind])
    found.put_kind(kind, "the path")
    folder, table = _cut_lake(path) if kind == "lake" else _cut(path)
    found.put("folder", folder or ("/" if path.startswith("/") else "."), "the path")
    _note(found, table)
    return found


def _cut(path: str) -> tuple[str, str]:
    """The folder, and the file or pattern in it: a pattern begins where its first star stands."""
    parts = path.split("/")
    odd = next((number for number, part in enumerate(parts) if set("*?[{") & set(part)), len(parts) - 1)
    if odd == len(parts) - 1 and not _FILE.search(parts[-1]) and not set("*?[{") & set(parts[-1]):
        return path.strip("/"), ""
    return "/".join(parts[:odd]), "/".join(parts[odd:])


def _cut_lake(path: str) -> tuple[str, str]:
    """The folder of the lake, and the table: the folder that the log is in."""
    parts = path.rstrip("/").split("/")
    if _LOG in parts:
        parts = parts[: parts.index(_LOG)]
    return "/".join(parts[:-1]), parts[-1] if parts else ""


def _note(found: Found, table: str) -> None:
    if table:
        found.note(f"The table in it is {table[:200]}.")
