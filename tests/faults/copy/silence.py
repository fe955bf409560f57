"""A copy in a network of its own, whose only line falls silent: no reset, no end, no answer. Says how it ended.

Run as `unshare --net python silence.py postgresql|mysql`; the test waits seconds where the product waits a minute and a
half.
"""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import stamina
from copying import Pair, eventually
from mysql_copying import Database, Road
from servers import start_mariadb, start_postgres, temporary

from etl_engine.connectors.mysql import session as mysql_session
from etl_engine.connectors.pg import session as pg_session
from etl_engine.engine import transfer
from etl_engine.engine.watching import Progress, Stop

SOON = {"idle": 1, "interval": 1, "count": 2, "user": 3000}


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def silenced(order: Any, ends: Any) -> str:
    progress, ended = Progress(), []

    def work() -> None:
        try:
            transfer.run(order, ends, progress, Stop())
            ended.append("done")
        except Exception as error:
            ended.append(type(error).__name__)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    eventually(lambda: progress.bytes_done > 100_000 or bool(ended), "that rows come")
    assert not ended, f"it ended too early: {ended}"
    ip("link", "set", "lo", "down")
    began = time.monotonic()
    thread.join(60)
    took = time.monotonic() - began
    ip("link", "set", "lo", "up")
    return f"{ended[0] if ended else 'waits'} {took:.0f}"


def main(kind: str) -> None:
    stamina.set_testing(True, attempts=1)  # what is looked for is how the first try ends
    ip("link", "set", "lo", "up")
    if kind == "postgresql":
        named = {"keepalives_idle": SOON["idle"], "keepalives_interval": SOON["interval"],
                 "keepalives_count": SOON["count"], "tcp_user_timeout": SOON["user"]}  # fmt: skip
        pg_session._KEEPALIVE.update({name: str(value) for name, value in named.items()})
        with temporary(start_postgres) as server:
            server.sql("CREATE DATABASE one", "CREATE DATABASE other")
            pair = Pair(server, "one", "other")
            pair.s("CREATE VIEW slow AS SELECT g AS id, repeat('x', 900) || pg_sleep(0.0002) AS v "
                   "FROM generate_series(1, 10000000) g")  # fmt: skip
            print(silenced(pair.order("slow"), pair.ends))
            return
    mysql_session._KEEPALIVE.update(zip(mysql_session._KEEPALIVE, SOON.values(), strict=True))
    with temporary(start_mariadb) as server:
        server.sql("CREATE DATABASE one", "CREATE DATABASE other")
        road = Road(Database(server, "one"), Database(server, "other"))
        road.source.sql("CREATE VIEW slow AS SELECT seq AS id, CONCAT(REPEAT('x', 900), SLEEP(0.0002)) AS v "
                        "FROM seq_1_to_10000000")  # fmt: skip
        print(silenced(road.order("slow"), road.ends))


if __name__ == "__main__":
    main(sys.argv[1])
