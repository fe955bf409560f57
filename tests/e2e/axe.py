"""axe-core in a page: what a screen reader or a keyboard would stumble over."""

import functools
import os
import subprocess
from typing import Any

from playwright.sync_api import Page
from running import CHECKOUT

from etl_engine.ui.toolchain import use_packaged_node

VERSION = "4.14.1"
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@functools.cache
def _source() -> str:
    folder = CHECKOUT / ".web-axe"
    script = folder / "node_modules/axe-core/axe.min.js"
    mark = folder / VERSION
    if not mark.exists():
        path = os.environ["PATH"]
        use_packaged_node(CHECKOUT)
        folder.mkdir(exist_ok=True)
        try:
            subprocess.run(
                ["npm", "install", "--silent", "--no-save", "--prefix", str(folder), f"axe-core@{VERSION}"],
                check=True,
                timeout=120,
            )
        finally:
            os.environ["PATH"] = path
        mark.touch()
    return script.read_text()


def findings(page: Page) -> list[str]:
    """Serious and critical findings, each with the rule and the elements it is about."""
    page.evaluate(_source())
    answer: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", _RULES
    )
    return [
        f"{found['impact']} {found['id']}: {found['help']}: "
        + ", ".join(str(node["target"]) for node in found["nodes"])
        for found in answer["violations"]
        if found["impact"] in ("serious", "critical")
    ]
