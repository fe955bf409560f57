"""The connections page while a hundred short runs are executed: production build, real Chromium, 1,000 connections.

    python benchmarks/ui_beside_runs.py            measures and judges; ends with 1 where the figure is missed
    python benchmarks/ui_beside_runs.py --runs 20  fewer of them

The runs are copies of an empty SQLite table, ordered over the REST API at once; the actions of benchmarks/ui.py are
repeated until the last of them has ended. Each run has to end well, after one start.
"""

import argparse
import itertools
import shutil
import statistics
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from executions import empty_copy, until_final
from playwright.sync_api import sync_playwright
from ui import STORED, Server, actions, percentile, running, samples, wiring

from etl_engine.settings import Settings

ANSWER_MS = 200
MEASURED = 3  # of the actions: search, filter, next page


def execute(url: str, order: dict[str, Any], runs: int, ended: list[str]) -> None:
    with httpx.Client(base_url=url, timeout=60) as client:
        places = []
        for number in range(runs):
            answer = client.post("/api/v1/copies/", json=order | {"target": f"t{number}", "mode": "replace"})
            places.append(answer.raise_for_status().headers["location"])
        for place in places:
            ended.append(" > ".join(change["status"] for change in until_final(client, place)["transitions"]))


def measure(server: Server, order: dict[str, Any], runs: int) -> bool:
    taken: dict[str, list[float]] = {}
    ended: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900}, bypass_csp=True)
        work = threading.Thread(target=execute, args=(server.url, order, runs, ended))
        work.start()
        while work.is_alive() or not taken:
            page.goto(server.url)
            page.wait_for_selector("[data-card]")
            for name, values in itertools.islice(actions(page, 8), MEASURED):
                taken.setdefault(name, []).extend(values)
                if not work.is_alive():
                    break
        work.join()
        browser.close()
    good = Counter(ended) == {"pending > running > success": runs}
    print(f"{runs} runs: {dict(Counter(ended))}")
    for name, values in taken.items():
        p95 = percentile(values, 0.95)
        good &= p95 < ANSWER_MS
        said = f"median {statistics.median(values):.0f} ms, p95 {p95:.0f} ms of {len(values)}"
        print(f"{name:<16}  {said}, wanted < {ANSWER_MS}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder, running(Server(Path(folder))) as server:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            order = empty_copy(client, server.folder)
        engine = wiring.Engine(Settings(data_dir=server.folder / "data"))
        samples.fill(engine.context(), samples.many(STORED))
        engine.close()
        return 0 if measure(server, order, runs) else 1


if __name__ == "__main__":
    sys.exit(main())
