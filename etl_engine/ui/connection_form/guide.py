"""How to prepare the server: the kind's own guide, with the names that were typed."""

import re
from dataclasses import dataclass, field

import reflex as rx

from etl_engine.ui.connection_form.browser import copy_button

# Anything else would have to be quoted, differently in every place of every guide: the placeholder stays then.
_PLAIN = re.compile(r"[A-Za-z_][\w$-]{0,62}", re.ASCII)
_FENCE = re.compile(r"^```\w*\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


@dataclass
class Part:
    """A piece of a sentence."""

    text: str
    code: bool = False


@dataclass
class Block:
    """A paragraph, or something to copy."""

    code: str = ""
    parts: list[Part] = field(default_factory=list)


def fits(name: str) -> bool:
    """Whether a name goes into the guide as it is."""
    return _PLAIN.fullmatch(name) is not None


def guide_of(setup: str, username: str, database: str) -> list[Block]:
    """The Markdown of the guide as blocks."""
    text = setup
    for name, typed in (("username", username), ("database", database)):
        text = text.replace(f"{{{name}}}", typed if fits(typed) else f"your_{name}")
    blocks: list[Block] = []
    for number, piece in enumerate(_FENCE.split(text)):
        if number % 2:
            blocks.append(Block(code=piece))
        else:
            blocks += [Block(parts=_parts(words)) for words in piece.strip().split("\n\n") if words]
    return blocks


def _parts(words: str) -> list[Part]:
    pieces = " ".join(words.split()).split("`")
    return [Part(piece, code=bool(number % 2)) for number, piece in enumerate(pieces) if piece]


def guide_view(blocks: list[Block]) -> rx.Component:
    return rx.el.details(
        rx.el.summary(rx.icon("chevron-right", size=16, aria_hidden="true"), "How to prepare the server"),
        rx.el.div(rx.foreach(blocks, _block), class_name="guide"),
        class_name="fold",
    )


def _block(block: Block) -> rx.Component:
    return rx.cond(
        block.code != "",
        rx.el.div(
            rx.el.pre(rx.el.code(block.code), tab_index=0, aria_label="Commands"),
            copy_button(text=block.code, label="Copy these commands"),
            class_name="commands",
        ),
        rx.el.p(rx.foreach(block.parts, lambda part: rx.cond(part.code, rx.el.code(part.text), part.text))),
    )
