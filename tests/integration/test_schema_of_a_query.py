"""A schema that is made of the columns of a query holds each of their values as it is."""

from pathlib import Path

from servers import PostgresServer

from etl_engine import wiring
from etl_engine.connectors import registry
from etl_engine.services import connections, mapping_drafts, preview, schemas
from etl_engine.settings import Settings

VALUES = {
    "small": ("32767::smallint", "integer"),
    "big": ("9223372036854775807::bigint", "integer"),
    "price": ("1234567890.12::numeric(12,2)", "decimal(12,2)"),
    "exact": ("1e100::numeric", "string"),
    "ratio": ("0.1::float8", "float"),
    "yes": ("true", "boolean"),
    "name": ("'Ada'::text", "string"),
    "day": ("'2026-03-29'::date", "date"),
    "reading": ("'2026-03-29 02:30:00.000001'::timestamp", "timestamp"),
    "instant": ("'2026-03-29 02:30:00.000001+00'::timestamptz", "timestamptz"),
    "raw": (r"'\x00ff'::bytea", "bytes"),
    "document": ("""'{"a": [1, null]}'::jsonb""", "json"),
    "who": ("'4be43d3c-7d2a-4c7c-8a8c-0f2d6f0a3c11'::uuid", "string"),
    "clock": ("'23:59:59.999999'::time", "string"),
    "none": ("NULL::numeric(38,0)", "decimal(38,0)"),
}


def test_every_value_fits_the_type_that_is_proposed(tmp_path: Path, postgres_server: PostgresServer) -> None:
    engine = wiring.Engine(Settings(data_dir=tmp_path))
    try:
        ctx = engine.context()
        values = {"name": "Types", "db_type": "postgresql", "host": "127.0.0.1", "port": postgres_server.port}
        account = {"database": "postgres", "username": postgres_server.user, "password": postgres_server.password}
        source = connections.create(ctx, registry.kind("postgresql").config.model_validate(values | account)).id
        query = "SELECT " + ", ".join(f"{value} AS {name}" for name, (value, _) in VALUES.items())
        sample = preview.sampled(ctx, source, query)
        columns = mapping_drafts.as_schema(ctx, sample)
        assert {one.name: one.data_type for one in columns} == {name: type_ for name, (_, type_) in VALUES.items()}
        schema = schemas.create(ctx, {"name": "Types", "columns": [one.model_dump() for one in columns]}).id
        rules = [{"type": "direct", "source_columns": [name], "target_fields": [name]} for name in VALUES]
        tried = mapping_drafts.tried(ctx, sample, schema, rules)
        assert tried.problems == []
        assert tried.preview is not None
        assert tried.preview.result is not None
        assert tried.preview.result.rejects == []
        (before,), (after,) = tried.preview.rows, tried.preview.result.rows
        assert after is not None
        assert dict(zip(VALUES, after, strict=True)) == dict(zip(VALUES, before, strict=True))
    finally:
        engine.close()
