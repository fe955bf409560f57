"""How a column is selected so that its text is that of the house."""

from etl_engine.connectors.names import double_quoted
from etl_engine.model.table import Column, Family

# Larger bytes come in base64 and not in two digits each: the driver holds three times what the server sends.
BASE64_FROM = 16 << 20
BASE64 = "="  # stands before it
_NUMBERS = (Family.INTEGER, Family.DECIMAL, Family.FLOAT, Family.BOOLEAN)


def expression(column: Column) -> str:
    """The column as it is selected, so that its text is that of the house."""
    name = double_quoted(column.name)
    if column.type.family is Family.BYTES:
        base64 = f"'{BASE64}' || encode({name}, 'base64')"
        return f"CASE WHEN octet_length({name}) < {BASE64_FROM} THEN encode({name}, 'hex') ELSE {base64} END AS {name}"
    if column.type.family is Family.ARRAY:
        plain = column.type.of is not None and column.type.of.family in _NUMBERS
        json = f"array_to_json({name}{'' if plain else '::text[]'})::text"
        # Bounds other than 1 are nothing that JSON knows: such an array stays as the server writes it.
        return f"CASE WHEN left({name}::text, 1) = '[' THEN {name}::text ELSE {json} END AS {name}"
    return name
