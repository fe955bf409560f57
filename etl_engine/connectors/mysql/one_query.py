"""Whether a text is one query: what is pasted between parentheses must not close them itself."""

import re

from etl_engine.errors import BadInput

_QUIET = re.compile(
    r"""
    --(?=[\s\x00-\x1f]|$)[^\n]*
    | \#[^\n]*
    | '(?:[^'\\]|\\.|'')*'
    | "(?:[^"\\]|\\.|"")*"
    | `(?:[^`]|``)*`
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN = re.compile(r"""[^-\#/'"`;()]+|.""", re.DOTALL)


def one_query(text: str) -> str:
    """The query without what may stand behind it. BadInput where it is several, or none."""
    if "\0" in text:
        raise BadInput("The query has a NUL character", hint="Remove it.")
    kept, depth, at = "", 0, 0
    while at < len(text):
        if text.startswith("/*", at):
            kept, at = f"{kept} ", _behind_comment(text, at)
            continue
        quiet = _QUIET.match(text, at)
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
        if not quiet and piece in ("'", '"', "`"):
            raise BadInput("The query has a quote that is not closed", hint="Correct the query.")
        kept += piece
        at += len(piece)
    if depth or not kept.strip():
        raise BadInput(
            "The query has a parenthesis that is not closed" if depth else "The query is empty",
            hint="Correct the query." if depth else "Give one SELECT.",
        )
    return kept.strip()


def _behind_comment(text: str, at: int) -> int:
    # The server runs what stands in comments of these two kinds.
    if text.startswith(("/*!", "/*M!"), at):
        raise BadInput("The query has a comment that the server would run", hint="Write it without /*! and */.")
    end = text.find("*/", at + 2)
    if end < 0:
        raise BadInput("The query has a comment that is not closed", hint="Correct the query.")
    return end + 2
