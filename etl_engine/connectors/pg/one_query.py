"""Whether a text is one query: what is pasted between `COPY (` and `)` must not close the parenthesis itself."""

import re

from etl_engine.errors import BadInput

# What may hold a semicolon or a parenthesis without meaning it.
_QUIET = re.compile(
    r"""
    --[^\n]*
    | [eE]'(?:[^'\\]|\\.|'')*'
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | (?P<tag>\$(?:[A-Za-z_\x80-\uffff][\w\x80-\uffff]*)?\$)(?s:.*?)(?P=tag)
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"""[^-/'"$;()eE]+|.""", re.DOTALL)
_FIRST_WORD = re.compile(r"(?:--[^\n]*|[\s(])*([^\W\d_]+)")
_QUERIES = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})


def one_query(text: str) -> str:
    """The query without what may stand behind it. BadInput where it is several, or none."""
    kept, depth, at = "", 0, 0
    while at < len(text):
        if text.startswith("/*", at):
            at = _behind_comment(text, at)
            kept += " "
            continue
        # A letter before a dollar or an E belongs to a name: a$1$b and table_e'x' quote nothing.
        inside_name = at > 0 and (text[at - 1].isalnum() or text[at - 1] in "_$")
        quiet = None if inside_name and text[at] in "$eE" else _QUIET.match(text, at)
        piece = quiet[0] if quiet else _PLAIN.match(text, at)[0]  # type: ignore[index] # "." matches anything
        if piece == ";":
            if text[at + 1 :].strip().strip(";").strip():
                raise BadInput(
                    "The query is more than one statement", hint="Give one SELECT, without a semicolon in it."
                )
            break
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if depth < 0:
            raise BadInput("The query closes a parenthesis that it did not open", hint="Correct the query.")
        if not quiet and piece in ("'", '"'):
            raise BadInput("The query has a quote that is not closed", hint="Correct the query.")
        kept += piece
        at += len(piece)
    if depth or not kept.strip():
        raise BadInput(
            "The query is empty" if not kept.strip() else "The query has a parenthesis that is not closed",
            hint="Correct the query.",
        )
    first = _FIRST_WORD.match(kept)
    if first and first[1].upper() not in _QUERIES:  # the server would only speak of its own words around it
        raise BadInput(f"{first[1].upper()[:40]} is not a query", hint="Give one SELECT.")
    return kept.strip()


def _behind_comment(text: str, at: int) -> int:
    depth, at = 1, at + 2
    while depth:
        found = re.compile(r"/\*|\*/").search(text, at)
        if not found:
            raise BadInput("The query has a comment that is not closed", hint="Correct the query.")
        depth += 1 if found[0] == "/*" else -1
        at = found.end()
    return at
