"""Runs the command in a process of its own and writes down what it took: peak_memory.py REPORT words of the command...

The kernel's figure for a child (`ru_maxrss`) begins with its parent's size, so the process is asked itself.
"""

import json
import re
import sys
from pathlib import Path


def main() -> int:
    from etl_engine.cli import run

    code = run(sys.argv[2:])
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    peak = int(found[1]) * 1024 if found else 0
    Path(sys.argv[1]).write_text(json.dumps({"peak": peak, "modules": sorted(sys.modules)}))
    return code


if __name__ == "__main__":
    sys.exit(main())
