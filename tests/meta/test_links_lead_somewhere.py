"""Every relative link and image of the documentation leads to a file that is there."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"""\]\(<?([^)>\s]+)|\b(?:src|href|srcset)="([^"\s]+)""")
_ELSEWHERE = re.compile(r"[a-z]+:|#")


def relative_links(text: str) -> list[str]:
    """Without the part behind #; what stands in code is no link."""
    found = [inline or html for inline, html in _LINK.findall(_CODE.sub("", text))]
    return [unquote(link.partition("#")[0]) for link in found if not _ELSEWHERE.match(link)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(document: Path) -> None:
    dead = [link for link in relative_links(document.read_text()) if not (document.parent / link).exists()]
    assert not dead, f"{document.relative_to(ROOT)} leads nowhere: correct or remove {', '.join(dead)}"


def test_this_test_finds_links_and_images_and_nothing_else() -> None:
    text = """[a](a.md) ![b](img/b%20c.png "Title") [c](../c.md#part) <img src="d.png"> [![e](e.svg)](e.md)
    [site](https://example.com/x) [mail](mailto:x@example.com) [here](#part) `[code](code.md)`
```
[fenced](fenced.md)
```
"""
    assert relative_links(text) == ["a.md", "img/b c.png", "../c.md", "d.png", "e.svg", "e.md"]
