"""A mapping as three blocks: a query is read, its columns become fields, and the rows are loaded.

The first two decide and check; rows flow when the last one runs, from the source's server through the rules into one
transaction of the destination, without a file in between. What they decide stands in their metadata, so that a worker
that takes the run up later needs nothing else.
"""

from typing import Any

from etl_engine.connectors.lake.data import BUILT_IN_LAKE
from etl_engine.connectors.rows import Reads, Selection, Source
from etl_engine.engine.block import Output, Work
from etl_engine.engine.blocks.copy import copied
from etl_engine.engine.mapped import MappedSource
from etl_engine.errors import BadInput
from etl_engine.model.copies import CopyOrder
from etl_engine.model.execution import Level, Origin
from etl_engine.model.mapping import RULES
from etl_engine.model.schema import SchemaColumn, house_columns

# What loads tells people which option of a copy helps; a mapping has none of these.
_HINTS = {
    "--new-columns": "Add these columns to the table, or choose another table.",
    "to the source with --query": "Add the column to the schema and map it, or let the table do without.",
}


class Extract:
    """Asks the source which columns the query answers."""

    def run(self, work: Work) -> Output:
        config = work.node.config
        with work.open(config["connection_id"], Reads) as connector:
            source = connector.open_source()
            work.stop.tell(source.stop)  # some servers say what a query answers by beginning to run it
            try:
                work.stop.check()
                table = source.describe(Selection(query=config["query"]))
            finally:
                work.stop.forget()
                source.close()
        work.note(Level.INFO, Origin.SOURCE, f"The query answers {len(table.columns)} columns")
        columns = [{"name": column.name, "native": column.native} for column in table.columns]
        return Output(metadata={"type": "QUERY", **config, "columns": columns})


class MapColumns:
    """Puts the rules beside the query that they are for."""

    def run(self, work: Work) -> Output:
        config = work.node.config
        for rule in config["rules"]:
            RULES.validate_python(rule)
        extracted = _only_input(work)
        read = {"connection_id": extracted["connection_id"], "query": extracted["query"]}
        work.note(
            Level.INFO, Origin.ENGINE, f"{len(config['rules'])} column mappings fill {len(config['columns'])} fields"
        )
        return Output(metadata={"type": "MAPPED_QUERY", **config, "source": read})


class Load:
    """Reads, maps and loads, all rows in one transaction with the ledger of the destination."""

    def run(self, work: Work) -> Output:
        config, mapped = work.node.config, _only_input(work)
        rules = [RULES.validate_python(rule) for rule in mapped["rules"]]
        target = house_columns([SchemaColumn.model_validate(column) for column in mapped["columns"]])
        merging = config["write_mode"] == "merge"
        order = CopyOrder(
            source_id=mapped["source"]["connection_id"],
            target_id=config["connection_id"] or BUILT_IN_LAKE,
            query=mapped["source"]["query"],
            target=config["table"],
            mode=config["write_mode"],
            key=tuple(config["key"]) if merging else (),
            on_reject=mapped["reject_policy"],
            reject_limit=mapped["max_rejected"],
            lane="typed",
        )

        def wrapped(source: Source) -> Source:
            return MappedSource(source, rules, target, config["key"] if merging else ())

        try:
            return copied(work, order, wrapped)
        except BadInput as error:
            error.hint = next((hint for option, hint in _HINTS.items() if option in error.hint), error.hint)
            raise


def _only_input(work: Work) -> dict[str, Any]:
    [output] = work.inputs.values()
    return dict(output.metadata)
