"""One copy in a process of its own, as JSON orders it: says when it begins, may be killed at any moment."""

import json
import sys
from pathlib import Path
from typing import Any

from etl_engine import faultpoints
from etl_engine.connectors import registry
from etl_engine.connectors.contract import Surroundings
from etl_engine.engine import transfer
from etl_engine.engine.transfer import Ends
from etl_engine.engine.watching import Progress, Stop
from etl_engine.model.copies import CopyOrder

FAILED = 3


def connector(values: dict[str, Any], roots: list[str]) -> Any:
    kind = registry.kind(values["db_type"])
    config = kind.config.model_validate({"name": "one end", **values})
    return kind.make(config, Surroundings(file_roots=tuple(map(Path, roots))))


def main() -> int:
    job = json.loads(sys.stdin.readline())
    if job["target"]["db_type"] in ("s3", "lake"):
        import deltalake  # noqa: F401 - what takes long is loaded before the clock of the test runs

        from etl_engine.connectors.files import s3

        s3.LEASE_SECONDS, s3.BEAT_SECONDS = job.get("lease", [s3.LEASE_SECONDS, s3.BEAT_SECONDS])
    source, target = (connector(job[end], job["roots"]) for end in ("source", "target"))
    print("begins", flush=True)
    faultpoints.arm(job["points"])
    rows = 0
    try:
        for _ in range(job["times"]):
            ends = Ends(source.open_source, target.open_destination, target.open_source)
            rows += transfer.run(CopyOrder.model_validate(job["order"]), ends, Progress(), Stop()).rows
    except faultpoints.FaultInjected:
        return FAILED
    print(rows, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
