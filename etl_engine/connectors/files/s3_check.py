"""The check of a bucket: name, port, encryption, key, bucket, rights; with the fault exactly where it is."""

import contextlib
import datetime as dt
import ssl
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping

from etl_engine.connectors import names, tls
from etl_engine.connectors.addresses import Address, allow, resolve
from etl_engine.connectors.contract import Deadline, Health, Step, Surroundings, Who
from etl_engine.connectors.fault import Fault, said
from etl_engine.connectors.files.bucket import BucketFields
from etl_engine.connectors.files.check import need
from etl_engine.connectors.files.s3_answers import CATALOGUE, Answer
from etl_engine.connectors.files.s3_client import Client, Reply, exchange, over
from etl_engine.connectors.ladder import Ladder
from etl_engine.connectors.server import closed_at_once
from etl_engine.connectors.wire import Closed, Silent, Wire, connect, too_late_to_connect

RUNGS = (
    Step("dns", "Host name"),
    Step("tcp", "Port"),
    Step("tls", "Encryption"),
    Step("login", "Access key"),
    Step("bucket", "Bucket"),
    Step("privileges", "Privileges"),
)
_ORDER = [step.key for step in RUNGS]
_EACH_ITS_OWN = {key: key for key in _ORDER}


class _Steps:
    """Steps on the rungs of a ladder, where several may share one: their evidence is told together."""

    def __init__(self, ladder: Ladder, rung_of: Mapping[str, str]) -> None:
        self._ladder = ladder
        self._rung_of = rung_of
        self._rung = ""
        self._held: list[str] = []
        self._warn = False
        self.current = _ORDER[0]

    def begin(self, key: str) -> None:
        self.current = key
        if self._rung_of[key] != self._rung:
            self._rung, self._held, self._warn = self._rung_of[key], [], False
            self._ladder.begin(self._rung)

    def finish(self, evidence: str, *, warn: bool = False) -> None:
        self._held.append(evidence)
        self._warn = self._warn or warn
        if self.current == next(key for key in reversed(_ORDER) if self._rung_of[key] == self._rung):
            self._ladder.finish("; ".join(self._held), warn=self._warn)


class _Lasting:
    """A wire as an HTTP library wants it, which closes what it has read from: the wire is closed by its owner."""

    def __init__(self, wire: Wire) -> None:
        self.sendall = wire.sendall
        self.makefile = wire.makefile

    def close(self) -> None:
        """Not yet."""


class BucketCheck:
    """One climb, over one connection of our own."""

    def __init__(
        self,
        fields: BucketFields,
        bucket: str,
        prefix: str,
        surroundings: Surroundings,
        driver: str,
        rungs: tuple[Step, ...] = RUNGS,
        rung_of: Mapping[str, str] = _EACH_ITS_OWN,
    ) -> None:
        self._fields = fields
        self._prefix = prefix.strip("/")
        self._deny = surroundings.deny
        self._driver = driver
        self._rungs, self._rung_of = rungs, rung_of
        self._client = Client(fields, bucket, surroundings)
        self._where = self._client.where
        self._server = ""
        self._wire: Wire | None = None
        self._address: Address | None = None
        self._open = contextlib.ExitStack()

    def run(self, deadline: Deadline, on_step: Callable[[Step], None]) -> Health:
        self._deadline = deadline
        self._ladder = Ladder(self._rungs, deadline, on_step, self._too_late)
        self.steps = _Steps(self._ladder, self._rung_of)
        with self._open:
            return self._ladder.climb(self._climb)

    def _climb(self) -> None:
        steps, fields, host = self.steps, self._fields, self._client.host
        steps.begin("dns")
        addresses = resolve(host, self._deadline)
        steps.finish(", ".join(map(str, addresses)))
        steps.begin("tcp")
        allow(host, addresses, self._deny)
        plain, address = connect(addresses, fields.port, self._deadline)
        self._address = address
        wire = Wire(plain, self._deadline)
        self._open.callback(wire.close)
        self._where = f"[{address}]:{fields.port}" if address.version == 6 else f"{address}:{fields.port}"
        steps.finish(f"{self._where} accepts connections")
        steps.begin("tls")
        with self._told():
            self._encrypt(wire)
            steps.begin("login")
            need(self._driver, "lake" if self._driver == "deltalake" else "s3")
            self._wire = wire
            self._look()

    def _look(self) -> None:
        steps, bucket = self.steps, self._client.bucket
        query = {"list-type": "2", "prefix": f"{self._prefix}/" if self._prefix else "", "max-keys": "1"}
        listed = self._ask("GET", query)
        self._server = listed.headers.get("server", "")[:60]
        refused = Answer.of(listed.status, listed.body, listed.headers) if listed.status >= 300 else None
        if refused is None:
            self._insist_on_s3(listed)
        elif refused.code != "AccessDenied":
            raise self._fault(refused, "list")
        key = self._fields.access_key
        steps.finish(f"The access key {key} is accepted" if key else "Without a key, as anybody", warn=not key)
        steps.begin("bucket")
        empty = refused is None and b"<Contents>" not in listed.body
        steps.finish(f'Bucket "{bucket}" is there{", and empty here" if empty else ""}')
        steps.begin("privileges")
        if refused is not None:
            raise self._fault(refused, "list")
        self._ladder.version = f"S3 ({self._server})" if self._server else "S3"
        steps.finish(f"Lists; may write: {'yes' if self._may_write() else 'no'}")

    def _may_write(self) -> bool:
        """An upload that is begun and given up shows the right to write, and leaves nothing."""
        path = f"{self._prefix}/_etl_check" if self._prefix else "_etl_check"
        begun = self._ask("POST", {"uploads": ""}, path)
        if begun.status >= 300:
            return False
        page = ET.fromstring(begun.body)  # noqa: S314 - expat bounds what entities may grow to
        upload = next((one.text or "" for one in page.iter() if one.tag.endswith("UploadId")), "")
        self._ask("DELETE", {"uploadId": upload}, path)
        return True

    def _ask(self, method: str, query: dict[str, str], key: str = "", client: Client | None = None) -> Reply:
        """Over the connection that stands, or, where the service has ended that, over another one to the address."""
        client = client or self._client
        if self._wire is None:
            assert self._address is not None  # noqa: S101 - the tcp rung came first
            plain, _ = connect((self._address,), self._fields.port, self._deadline)
            self._wire = Wire(plain, self._deadline)
            self._open.callback(self._wire.close)
            if self._fields.tls_mode != "disable":
                self._wire.start_tls(tls.context(self._fields.wish), self._client.host)
        wire = self._wire
        reply = exchange(over(_Lasting(wire), client.authority), client, method, key, query, {}, b"")
        if reply.closing:
            wire.close()
            self._wire = None
        return reply

    def _insist_on_s3(self, listed: Reply) -> None:
        if b"ListBucketResult" not in listed.body:
            raise self._not_s3(f"answers with status {listed.status}")

    def _fault(self, answer: Answer, doing: str) -> Fault:
        entry = CATALOGUE.get(answer.code)
        if entry is None and not answer.message and answer.status != 403:
            return self._not_s3(f"answers with status {answer.status}")
        facts = self._client.facts(doing, answer) | {"where": self._where}
        if answer.code == "NoSuchBucket":
            facts["nearest"] = names.instead(self._client.bucket, self._buckets())
        if entry is None:
            told = said(answer.message, self._fields.secret)
            return Fault(
                "service-refused",
                f"{self._where} refuses: {said(answer.code, self._fields.secret)[:60]}: {told}",
                "Look for that code in the manual of the service.",
                Who.YOU,
            )
        fault = entry.about(facts)
        if fault.step == "bucket" and self.steps.current == "login" and answer.code == "NoSuchBucket":
            self.steps.finish(f"The access key {self._fields.access_key or 'of nobody'} is accepted")
            self.steps.begin("bucket")
        elif fault.step and _ORDER.index(fault.step) > _ORDER.index(self.steps.current):
            self.steps.finish("The service answers")
            self.steps.begin(fault.step)
        return fault

    def _buckets(self) -> list[str]:
        with contextlib.suppress(Exception):
            # Of the service and not of this bucket: a client whose bucket is nothing asks for the list.
            service = Client(self._fields, "", Surroundings(self._deny))
            listed = self._ask("GET", {}, client=service)
            page = ET.fromstring(listed.body)  # noqa: S314 - expat bounds what entities may grow to
            return [
                one.text or ""
                for bucket in page.iter()
                if bucket.tag.endswith("}Bucket") or bucket.tag == "Bucket"
                for one in bucket
                if one.tag.endswith("Name")
            ]
        return []

    def _encrypt(self, wire: Wire) -> None:
        wish = self._fields.wish
        if wish.mode == "disable":
            self.steps.finish("Not encrypted: everybody on the way can read it", warn=True)
            return
        try:
            wire.start_tls(tls.context(wish), self._client.host)
        except ssl.SSLCertVerificationError as error:
            raise Fault(
                "tls-untrusted",
                f"The certificate of {self._where} is not accepted: {error.verify_message.rstrip('.')}",
                "Paste the certificate of the authority that signed it, or correct the endpoint.",
                Who.YOU,
            ) from error
        except ssl.SSLError as error:
            raise Fault(
                "tls-not-offered",
                f"{self._where} does not speak TLS: {error.reason or error}",
                "Check the port (often 9000 or 80 without TLS), or choose the TLS mode disable.",
                Who.YOU,
            ) from error
        assert wire.tls is not None  # noqa: S101 - start_tls succeeded
        evidence, warn = tls.evidence(wire.tls, wish, dt.datetime.now(dt.UTC))
        self.steps.finish(evidence, warn=warn)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        import http.client

        try:
            yield
        except http.client.HTTPException as error:
            raise self._not_s3("does not answer in HTTP") from error
        except (Closed, Silent, ConnectionError) as error:
            raise closed_at_once(self._where, "during the check") from error
        except ET.ParseError as error:
            raise self._not_s3("answers in another way") from error

    def _not_s3(self, what: str) -> Fault:
        return Fault(
            "not-s3",
            f"{self._where} {what}, and not as an S3 service does",
            "Check the endpoint and the port: the service and not its console (MinIO: 9000 and not 9001).",
            Who.YOU,
        )

    def _too_late(self, _rung: str) -> Fault:
        key = self.steps.current
        where, host = self._where, self._client.host
        if key == "tcp":
            return too_late_to_connect(where)
        if key == "dns":
            return Fault(
                "dns-timeout",
                f"The name server did not answer the question for {host} in time",
                "Check the DNS servers of the machine this engine runs on.",
                Who.NETWORK,
            )
        return Fault(
            "service-timeout",
            f"{where} accepts the connection and does not answer in time",
            "Look at the load of the service, and at any proxy before it.",
            Who.DBA,
        )
