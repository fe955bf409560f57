"""Copies from and to a bucket: judged by boto3, which is not ours, and by psql."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import file_tables
import pytest
from copying import Pair
from file_tables import End, copy
from s3_servers import S3Server
from test_copy_files import REWRITTEN, TYPES, VALUES, back, out

from etl_engine.connectors.files import s3
from etl_engine.connectors.files.s3_signing import Keys, signed_headers
from etl_engine.connectors.rows import ARROW, Selection
from etl_engine.errors import Conflict, EtlError, Missing, NotCapable, Refused, Rejected, Throttled, Unreachable


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    return s3_server.new_bucket()


@pytest.fixture
def place(s3_server: S3Server, bucket: str) -> End:
    return file_tables.bucket(s3_server, bucket, prefix="exports/daily")


@pytest.mark.parametrize("name", ["corpus", "corpus.csv.gz"])
def test_every_type_goes_through_a_bucket_and_back(pair: Pair, place: End, name: str) -> None:
    pair.s(f"CREATE TABLE corpus ({TYPES})", f"INSERT INTO corpus VALUES {', '.join(VALUES)}", "ANALYZE corpus")
    receipt = out(pair, "corpus", place, name, verify=True)
    assert receipt.verification and receipt.verification.equal
    pair.t(f"CREATE TABLE corpus ({TYPES})")
    back(place, name, pair, "corpus", allow_lossy=REWRITTEN)
    pair.same("corpus")


def test_the_lake_in_a_bucket_appends_replaces_and_merges(pair: Pair, s3_server: S3Server, bucket: str) -> None:
    place = file_tables.lake_in_bucket(s3_server, bucket)
    pair.s("CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    out(pair, "t", place, "t")
    out(pair, "t", place, "t", mode="replace")
    pair.s("UPDATE t SET v = 'B' WHERE id = 2", "INSERT INTO t VALUES (3, NULL)")
    receipt = out(pair, "t", place, "t", mode="merge", verify=True)
    assert receipt.verification and receipt.verification.equal
    back(place, "t", pair, "t")
    pair.same("t")
    assert any("_delta_log" in key for key in s3_server.keys(bucket, "lake/t/"))
    assert not [key for key in s3_server.keys(bucket) if key.endswith(".lock")]


def test_replacing_deletes_by_exact_keys_alone(pair: Pair, place: End, s3_server: S3Server, bucket: str) -> None:
    client = s3_server.client()
    for key in (
        "orders",
        "exports/daily/orders.txt",
        "exports/daily/ordersx/part-1.parquet",
        "exports/dailyx/orders/a",
    ):
        client.put_object(Bucket=bucket, Key=key, Body=b"theirs")
    pair.s("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)")
    out(pair, "t", place, "orders_archive")
    before = set(s3_server.keys(bucket))
    for _ in range(2):
        out(pair, "t", place, "orders", mode="replace")
    after = set(s3_server.keys(bucket))
    assert before <= after
    assert all(key.startswith("exports/daily/orders/") for key in after - before)
    assert len([key for key in after - before if key.endswith(".parquet")]) == 1


def test_large_objects_go_up_in_parts(
    tmp_path: Path, place: End, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "PART_BYTES", 5 << 20)  # the smallest that S3 takes
    plain = file_tables.folder(tmp_path / "plain")
    lines = "".join(f"{n},{n * 2654435761 % 2**32:032b}{n * 40503 % 2**32:032b}\n" for n in range(200_000))
    (tmp_path / "plain" / "t.csv").write_text("id,v\n" + lines)
    receipt = copy(plain, "t.csv", place, "t.csv", verify=True)
    assert receipt.rows == 200_000 and receipt.verification and receipt.verification.equal
    (key,) = (key for key in s3_server.keys(bucket) if key.endswith(".csv"))
    head = s3_server.client().head_object(Bucket=bucket, Key=key)
    assert head["ETag"].strip('"').partition("-")[2]  # that of an upload in parts
    assert not s3_server.client().list_multipart_uploads(Bucket=bucket).get("Uploads")


def test_an_object_exchanged_while_it_is_read_is_noticed(place: End, s3_server: S3Server, bucket: str) -> None:
    client = s3_server.client()
    client.put_object(Bucket=bucket, Key="exports/daily/a.csv", Body=b"id\n1\n")
    source = place.connector.open_source()
    selection = Selection("a.csv")
    table = source.describe(selection)
    source.begin(selection)
    client.put_object(Bucket=bucket, Key="exports/daily/a.csv", Body=b"id\n2\n")
    rows = source.read(selection, table, ARROW)
    with pytest.raises(Unreachable, match="exchanged"):
        list(rows.batches())
    rows.close()
    source.close()


def test_a_glob_over_many_pages_is_one_table(
    tmp_path: Path, place: End, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_PAGE", "3")
    client = s3_server.client()
    for number in range(10):
        client.put_object(Bucket=bucket, Key=f"exports/daily/in/{number}.csv", Body=f"id\n{number}\n".encode())
    client.put_object(Bucket=bucket, Key="exports/daily/in/x/../escape.csv", Body=b"id\n666\n")
    target = file_tables.folder(tmp_path / "to")
    assert copy(place, "in/*.csv", target, "t").rows == 10
    with pytest.raises(Missing, match=r'did you mean "in/\d\.csv"'):
        copy(place, "inn/*.csv", target, "u")


def test_a_lease_is_waited_for_and_ends_with_its_holder(place: End, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "LEASE_SECONDS", 1.5)
    monkeypatch.setattr(s3, "BEAT_SECONDS", 0.3)
    first = place.connector.open_folder()
    held = first.hold("t/_etl/x.lock")
    assert held is not None
    second = place.connector.open_folder()
    until = time.monotonic() + 3.0  # twice the lease: it is renewed
    while time.monotonic() < until:
        assert second.hold("t/_etl/x.lock") is None
        time.sleep(0.2)
    held._over.set()  # as if the process had died
    until = time.monotonic() + 10.0
    while (taken := second.hold("t/_etl/x.lock")) is None:
        assert time.monotonic() < until
        time.sleep(0.1)
    taken.release()
    first.close()
    second.close()


def test_two_runs_at_once_are_told_of_each_other(tmp_path: Path, place: End, monkeypatch: pytest.MonkeyPatch) -> None:
    # The service tells times in whole seconds.
    monkeypatch.setattr(s3, "LEASE_SECONDS", 3.0)
    monkeypatch.setattr(s3, "BEAT_SECONDS", 0.3)
    plain = file_tables.folder(tmp_path / "plain")
    (tmp_path / "plain" / "t.csv").write_text("id\n1\n")
    from etl_engine.engine.batches import stream_of

    first = place.connector.open_destination()
    name, _ = first.resolve("t")
    first.claim(name, stream_of(file_tables.order("t.csv", "t"), name), "t", fresh=False, take_over=False)
    with pytest.raises(Conflict, match="is at work"):
        copy(plain, "t.csv", place, "t")
    first.close()
    assert copy(plain, "t.csv", place, "t").rows == 1


class Scripted(BaseHTTPRequestHandler):
    """An S3 service that says what a test wants it to say."""

    answers: list[tuple[int, bytes]]
    seen: list[str]
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self.rfile.read(length)
        self.seen.append(f"{self.command} {self.path}")
        status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        if status in (301, 302, 307):
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _answer  # noqa: N815 - names of http.server

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def scripted() -> Iterator[Any]:
    handler = type("Handler", (Scripted,), {"answers": [(200, b"")], "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def at(server: Any, **more: Any) -> End:
    values = {
        "db_type": "s3",
        "host": "127.0.0.1",
        "port": server.server_address[1],
        "tls_mode": "disable",
        "access_key": "AKIA",
        "secret_key": "planted-secret-of-the-test",
        "bucket": "bucket",
    }
    return End({**values, **more})


def said(code: str, message: str = "no") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", Refused),
        (403, "InvalidAccessKeyId", Refused),
        (403, "SignatureDoesNotMatch", Refused),
        (404, "NoSuchBucket", Missing),
        (503, "SlowDown", Throttled),
        (500, "InternalError", Throttled),
        (301, "PermanentRedirect", EtlError),
        (307, "TemporaryRedirect", Rejected),
        (400, "Odd planted-secret-of-the-test", Rejected),
    ],
)
def test_what_the_service_refuses_is_told_without_the_secret(
    scripted: Any, status: int, code: str, error: type[EtlError]
) -> None:
    scripted.RequestHandlerClass.answers[:] = [(status, said(code, "because of planted-secret-of-the-test"))]
    source = at(scripted).connector.open_source()
    with pytest.raises(error) as raised:
        source.describe(Selection("a.csv"))
    source.close()
    assert raised.value.hint
    assert "planted-secret" not in f"{raised.value} {raised.value.hint}"
    assert all("elsewhere" not in one for one in scripted.RequestHandlerClass.seen)  # no redirect is followed


def test_a_service_that_breaks_off_is_asked_again_and_then_unreachable(scripted: Any) -> None:
    scripted.RequestHandlerClass.answers[:] = [(0, b"")]
    source = at(scripted).connector.open_source()
    with pytest.raises(Unreachable):
        source.describe(Selection("a.csv"))
    source.close()
    assert len(scripted.RequestHandlerClass.seen) == 4


def test_a_conditional_put_whose_answer_is_lost_is_never_sent_again(scripted: Any) -> None:
    scripted.RequestHandlerClass.answers[:] = [(0, b"")]
    folder = at(scripted).connector.open_folder()
    with pytest.raises(Unreachable):
        folder.swap("a/b", b"x", None)
    folder.close()
    assert len(scripted.RequestHandlerClass.seen) == 1


def test_a_service_that_ignores_conditions_is_not_written_to(scripted: Any) -> None:
    scripted.RequestHandlerClass.answers[:] = [(404, said("NoSuchKey")), (200, b"")]
    folder = at(scripted).connector.open_folder()
    with pytest.raises(NotCapable, match="ignores the condition"):
        folder.hold("t/_etl/x.lock")
    folder.close()


def test_an_address_that_is_denied_is_not_connected_to(scripted: Any) -> None:
    import ipaddress

    place = at(scripted)
    place.deny = (ipaddress.ip_network("127.0.0.0/8"),)
    for kind in ("s3", "lake"):
        place.values["db_type"] = kind
        with pytest.raises(Refused, match=r"127\.0\.0\.1"):
            opened = place.connector.open_source()
            try:
                opened.describe(Selection("a.csv"))
            finally:
                opened.close()
    assert not scripted.RequestHandlerClass.seen


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("key", ["plain", "with space/ä+%=&?#.csv", "a/b//c~_-."])
def test_requests_are_signed_as_amazon_s_own_library_signs_them(method: str, key: str) -> None:
    import datetime as dt
    import warnings
    from unittest import mock

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import botocore.auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

    from etl_engine.connectors.files.s3_signing import encoded_path, encoded_query

    now = dt.datetime(2026, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    query = {"list-type": "2", "prefix": "a b/ä+", "empty": ""}
    body = b"" if method == "GET" else b"content"
    ours = signed_headers(
        method,
        "s3.test:9000",
        f"/bucket/{key}",
        query,
        {"if-match": '"x"'},
        body,
        Keys("AK", "eu-central-1", "SK"),
        now,
    )
    url = f"http://s3.test:9000{encoded_path(f'/bucket/{key}')}?{encoded_query(query)}"
    request = AWSRequest(
        method, url, headers={"If-Match": '"x"', "X-Amz-Content-SHA256": ours["x-amz-content-sha256"]}, data=body
    )
    with mock.patch("botocore.auth.get_current_datetime", return_value=now.replace(tzinfo=None), create=True):
        signer = botocore.auth.S3SigV4Auth(Credentials("AK", "SK"), "s3", "eu-central-1")
        request.context["timestamp"] = "20260203T040506Z"
        with mock.patch.object(
            signer,
            "_modify_request_before_signing",
            lambda given: given.headers.__setitem__("X-Amz-Date", "20260203T040506Z"),
        ):
            signer.add_auth(request)
    theirs = request.headers["Authorization"]
    names = ours["authorization"].split("SignedHeaders=")[1].split(",")[0]
    if request.context["timestamp"] != "20260203T040506Z":
        pytest.skip("this botocore signs with its own clock alone")
    assert names == theirs.split("SignedHeaders=")[1].split(",")[0]
    assert ours["authorization"] == theirs


class Lying:
    """A swap whose answer is lost once, after it was done or before."""

    def __init__(self, real: Any, *, done: bool, raising: Exception | None) -> None:
        self.real, self.done, self.raising, self.left = real, done, raising, 1

    def __call__(self, folder: Any, path: str, data: bytes, version: str | None) -> str | None:
        counts = b'"committed_at"' in data and self.left
        if not counts:
            return self.real(folder, path, data, version)
        self.left = 0
        if self.done:
            self.real(folder, path, data, version)
        if self.raising:
            raise self.raising
        return None


@pytest.mark.parametrize("kind", ["s3", "lake"])
@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("lost", [True, False], ids=["unreachable", "somebody-was-first"])
def test_a_swap_whose_answer_is_lost_counts_once(
    tmp_path: Path, s3_server: S3Server, bucket: str, kind: str, done: bool, lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = file_tables.bucket if kind == "s3" else file_tables.lake_in_bucket
    place = make(s3_server, bucket)
    plain = file_tables.folder(tmp_path / "plain", csv_types="infer")
    (tmp_path / "plain" / "t.csv").write_text("id\n1\n2\n3\n")
    raising = Unreachable("the line broke", kind="s3") if lost else None
    lying = Lying(s3.S3Folder.swap, done=done, raising=raising)

    def swap(folder: Any, path: str, data: bytes, version: str | None) -> str | None:
        return lying(folder, path, data, version)

    monkeypatch.setattr(s3.S3Folder, "swap", swap)
    receipt = copy(plain, "t.csv", place, "t")
    assert lying.left == 0
    assert receipt.batches == 1
    explorer = place.connector.explore()
    assert explorer.describe("t").rows == 3
    assert sorted(row[0] or "" for row in explorer.sample("t", 10)) == ["1", "2", "3"]
    explorer.close()
