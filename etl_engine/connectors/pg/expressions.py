"""How a column is selected so that its text is that of the house."""

from etl_engine.connectors.names import double_quoted
from etl_engine.model.table import Column, Family

_NUMBERS = (Family.INTEGER, Family.DECIMAL, Family.FLOAT, Family.BOOLEAN)


def expression(column: Column) -> str:
    """The column as it is selected, so that its text is that of the house."""
    name = double_quoted(column.name)
    if column.type.family is Family.BYTES:
        return f"encode({name}, 'hex') AS {name}"
    if column.type.family is Family.ARRAY:
        plain = column.type.of is not None and column.type.of.family in _NUMBERS
        json = f"array_to_json({name}{'' if plain else '::text[]'})::text"
        # Bounds other than 1 are nothing that JSON knows: such an array stays as the server writes it.
        return f"CASE WHEN left({name}::text, 1) = '[' THEN {name}::text ELSE {json} END AS {name}"
    return name
