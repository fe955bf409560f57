"""The ledger of the lake: one document for each stream beside the table, true as far as Delta's own numbers go."""

import contextlib
from typing import Any

from deltalake import DeltaTable

from etl_engine.connectors.files.manifest import LEDGER, Ledger, Manifest, counted, delete_quietly, entries_of
from etl_engine.connectors.lake.place import Lake
from etl_engine.connectors.rows import Claim, Entry
from etl_engine.errors import EtlError, Stale


class LakeLedger:
    """Claims, and what each number of a stream stands for.

    A number is written down with its ledger line before it is committed. It counts once the table has it; once the
    table has a later one, it never will, since no commit of a stream passes another one.
    """

    def __init__(self, lake: Lake, name: str, stream: str) -> None:
        self._lake = lake
        self._name = name
        self._stream = stream
        self._number = 0  # that the table had when this session claimed or committed last
        self._ledger = Ledger(lake.folder, name, f"{name}/{LEDGER}/{stream[:12]}.json")

    def claim(self, terms: str, *, fresh: bool, take_over: bool, mine: int) -> Claim:
        self.settle(self._stream)
        made = self._ledger.claim(self._stream, terms, fresh=fresh, take_over=take_over, mine=mine)
        self.settle(self._stream)
        self._lake.folder.sweep(self._name, (f".part-{self._stream[:12]}-",))
        self._ledger.clean_beside(made)
        return made

    def keep_plan(self, claim: Claim, plan: str) -> None:
        self._ledger.keep_plan(claim, plan)

    def finished(self, claim: Claim) -> None:
        self._ledger.finished(claim)

    def entries(self, run_id: str = "") -> list[Entry]:
        """Also of a line whose number the table has and which nobody has put in its place yet."""
        state = self._ledger.read()
        _settled(state, self._stream, self._committed())
        return entries_of(state, self._stream, run_id)

    def seen(self, stream: str) -> str:
        return str(self._ledger.read().streams.get(stream, {}).get("seen") or "")

    def insist_on(self, claim: Claim) -> None:
        self._ledger.insist(self._ledger.read(), claim)

    def insist_on_number(self, table: DeltaTable, claim: Claim) -> None:
        if (table.transaction_version(claim.stream) or 0) != self._number:
            raise Stale("Another run has taken this copy over; what this one read is not written", hint="Let it run.")

    def intend(self, claim: Claim, entry: Entry, files: list[str], seen: str, rejects: str) -> int:
        """The number under which this is going to be committed."""
        made: list[int] = []

        def work(state: Manifest) -> None:
            self._ledger.insist(state, claim)
            now = state.streams[claim.stream]
            pending = now.setdefault("pending", {})
            already = [int(one) for one, what in pending.items() if files and what["files"] == files]
            if already:  # the answer to the first try was lost, and it had been done
                made[:] = already
                return
            number = now.get("number", 0) + 1
            line = Manifest(streams={claim.stream: {"run_id": entry.run_id, "running": True}})
            counted(line, entry, rejects)
            pending[str(number)] = {"entry": line.entries[0], "files": files, "seen": seen}
            now["number"] = number
            made[:] = [number]

        self._ledger.change(work)
        return made[0]

    def done(self, number: int) -> None:
        """The table has it. Where its line cannot be put in its place now, whoever reads the ledger next does it."""
        self._number = number
        with contextlib.suppress(EtlError):
            self.settle(self._stream)

    def settle(self, stream: str) -> None:
        """Put the lines in their place whose numbers the table has; take away the files of those it will never have."""
        self._number = self._committed()
        if not self._ledger.read().streams.get(stream, {}).get("pending"):
            return
        # The library that commits does not wait for the disk: without this, a power cut could leave us a line of a
        # commit that the table has forgotten.
        self._lake.folder.sync(self._name, self._ledger.document)
        gone: list[str] = []

        def work(state: Manifest) -> None:
            gone[:] = _settled(state, stream, self._number)

        self._ledger.change(work)
        delete_quietly(self._lake.folder, gone)

    def release(self) -> None:
        self._ledger.release()

    def _committed(self) -> int:
        table = self._lake.open(self._name)
        return 0 if table is None else table.transaction_version(self._stream) or 0


def _settled(state: Manifest, stream: str, committed: int) -> list[str]:
    now = state.streams.get(stream, {})
    gone: list[str] = []
    pending: dict[str, Any] = now.get("pending", {})
    kept = {path for number, one in pending.items() if int(number) >= committed for path in one["files"]}
    for number in sorted(map(int, pending)):
        if number > committed:
            break
        one = pending.pop(str(number))
        if number < committed:
            gone += [path for path in one["files"] if path not in kept]
            continue
        state.entries.append(one["entry"])
        if one["seen"]:
            now["seen"] = one["seen"]
    return gone
