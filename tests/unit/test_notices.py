"""Notices: what is worth one, sent once, signed, tried again, and never to where connections must not go."""

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import time_machine
from copying import eventually
from executing import Scripted, quick, scripted_blocks, submitted, worked
from scripted_kind import at_once, opened_context

from etl_engine import settings
from etl_engine.engine.block import Output, Work
from etl_engine.errors import BadInput, BadSetting, Rejected, Throttled, Unreachable
from etl_engine.model.execution import Counters
from etl_engine.notify.contract import Notice
from etl_engine.notify.webhook import Webhook
from etl_engine.services import execution_claims, executions, notices
from etl_engine.services.context import Context
from etl_engine.services.notices import News
from etl_engine.wiring import Engine

SECRET = "a secret of twenty-four ch"


@dataclass
class Receiver:
    """A small server that keeps what it is sent, and answers what the test says."""

    statuses: list[int] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    @property
    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, body in self.requests]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    kept = Receiver()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = kept.statuses.pop(0) if kept.statuses else 204
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_address[1]}/hooks?x=1"
    yield kept
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    with opened_context(tmp_path) as context:
        yield context


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Scripted]]:
    quick(monkeypatch)
    with scripted_blocks(monkeypatch, "one") as made:
        yield made


def hook(receiver: Receiver, seconds: float = 10.0) -> Webhook:
    return Webhook(receiver.url, SECRET, lambda host: [host], seconds)


def fails(_: Work) -> Output:
    raise BadInput("The table is gone")


def run(ctx: Context, blocks: dict[str, Scripted], does: Any = None) -> str:
    blocks["one"].does = does or (lambda work: Output())
    made = submitted(ctx)
    worked(ctx)
    return made.id


def test_failures_losses_and_recoveries_are_told_and_nothing_else(
    ctx: Context, blocks: dict[str, Scripted], receiver: Receiver
) -> None:
    news = News()
    run(ctx, blocks)
    run(ctx, blocks, fails)
    run(ctx, blocks)
    run(ctx, blocks)
    submitted(ctx)
    assert execution_claims.claim(ctx, "dies")
    eventually(lambda: bool(execution_claims.reap(ctx)), "the loss")
    news.decide(ctx)
    while notices.deliver(ctx, hook(receiver)):
        pass
    assert sorted(receiver.types) == ["execution.failed", "execution.lost", "execution.recovered"]
    failed = next(json.loads(body) for _, body in receiver.requests if b"execution.failed" in body)
    assert failed["data"]["error"]["message"] == "The table is gone"
    assert {one["status"] for one in notices.deliveries(ctx)} == {"delivered"}
    assert News().decide(ctx) == 0


def rejects(_: Work) -> Output:
    return Output(counters=Counters(read=2, loaded=1, rejected=1))


def test_what_lies_between_a_failure_and_its_recovery_hides_nothing_and_recovers_nothing(
    ctx: Context, blocks: dict[str, Scripted]
) -> None:
    news = News()
    run(ctx, blocks, rejects)
    run(ctx, blocks)
    assert news.decide(ctx) == 0, "rejected rows are no failure, and nothing recovers from them"
    run(ctx, blocks, fails)
    executions.cancel(ctx, submitted(ctx).id)
    run(ctx, blocks, rejects)
    run(ctx, blocks)
    run(ctx, blocks)
    news.decide(ctx)
    assert sorted(one["type"] for one in notices.deliveries(ctx)) == ["execution.failed", "execution.recovered"]


def test_a_notice_is_signed_so_that_its_receiver_can_tell(
    ctx: Context, blocks: dict[str, Scripted], receiver: Receiver
) -> None:
    run(ctx, blocks, fails)
    News().decide(ctx)
    notices.deliver(ctx, hook(receiver))
    [(headers, body)] = receiver.requests
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 30
    assert json.loads(body)["id"] == headers["webhook-id"]
    assert headers["host"].startswith("127.0.0.1:")


def test_a_receiver_in_trouble_is_tried_again_with_the_same_id(
    ctx: Context, blocks: dict[str, Scripted], receiver: Receiver
) -> None:
    run(ctx, blocks, fails)
    News().decide(ctx)
    receiver.statuses = [503, 429]
    assert notices.deliver(ctx, hook(receiver)) == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 1
    assert len(receiver.requests) == 3


def test_a_receiver_that_stays_away_is_tried_again_later_and_given_up_in_the_end(
    ctx: Context, blocks: dict[str, Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "_QUICK_ATTEMPTS", 1)
    run(ctx, blocks, fails)
    News().decide(ctx)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = Webhook(f"http://127.0.0.1:{taken.getsockname()[1]}/", SECRET, lambda host: [host])
        assert notices.deliver(ctx, away) == 0
        [one] = notices.deliveries(ctx)
        assert (one["status"], one["attempts"]) == ("pending", 1)
        assert "does not answer" in one["last_error"]
        assert notices.deliver(ctx, away) == 0
        assert notices.deliveries(ctx)[0]["attempts"] == 1, "it is not due yet"
        later = dt.datetime.now(dt.UTC)
        for _ in range(12):
            later += dt.timedelta(hours=9)
            with time_machine.travel(later):
                notices.deliver(ctx, away)
    assert notices.deliveries(ctx)[0]["status"] == "failed"


@pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 410])
def test_a_receiver_that_refuses_is_not_asked_again_and_not_followed(
    ctx: Context, blocks: dict[str, Scripted], receiver: Receiver, status: int
) -> None:
    run(ctx, blocks, fails)
    News().decide(ctx)
    receiver.statuses = [status]
    assert notices.deliver(ctx, hook(receiver)) == 0
    [one] = notices.deliveries(ctx)
    assert one["status"] == "failed"
    assert str(status) in one["last_error"]
    assert len(receiver.requests) == 1


def test_four_messengers_at_once_send_each_notice_once(
    ctx: Context, blocks: dict[str, Scripted], receiver: Receiver
) -> None:
    for _ in range(5):
        run(ctx, blocks, fails)

    def messenger(_: int) -> None:
        News().decide(ctx)
        while notices.deliver(ctx, hook(receiver)):
            pass

    assert not [one for one in at_once(4, messenger) if one]
    assert sorted(receiver.types) == ["execution.failed"] * 5
    assert len({headers["webhook-id"] for headers, _ in receiver.requests}) == 5


def test_a_notice_whose_sender_died_is_sent_by_another(
    ctx: Context, blocks: dict[str, Scripted], receiver: Receiver
) -> None:
    run(ctx, blocks, fails)
    News().decide(ctx)

    class Dies:
        def send(self, notice: Notice) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        notices.deliver(ctx, Dies())
    assert notices.deliver(ctx, hook(receiver)) == 0
    with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2)):
        assert notices.deliver(ctx, hook(receiver)) == 1


def notice() -> Notice:
    return Notice("id", "execution.failed", dt.datetime.now(dt.UTC), {})


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "a byte now and then"])
def test_a_receiver_that_does_not_come_to_an_end_is_left(drips: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                while not over.wait(0.05):
                    if drips:
                        try:
                            connection.sendall(b"H")
                        except OSError:
                            return

        thread = threading.Thread(target=serve)
        thread.start()
        webhook = Webhook(f"http://127.0.0.1:{server.getsockname()[1]}/", SECRET, lambda host: [host], 0.6)
        began = time.monotonic()
        with pytest.raises(Unreachable):
            webhook.send(notice())
        assert time.monotonic() - began < 3
        over.set()
        thread.join(5)


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "0.0.0.0", "127.0.0.1", "2130706433"])
def test_a_webhook_does_not_reach_where_connections_must_not_go(tmp_path: Path, host: str) -> None:
    config = settings.load(
        _env_file=None,
        data_dir=tmp_path / "data",
        webhook_url=f"http://{host}:9/x",
        webhook_secret=SECRET,
        connect_deny="127.0.0.0/8",
    )
    assert ipaddress.ip_network("127.0.0.0/8") in config.denied_networks
    notifier = Engine(config).notifier
    assert notifier
    with pytest.raises(Rejected, match="must not be sent"):
        notifier.send(notice())


def test_a_webhook_needs_a_secret_and_an_address() -> None:
    for url, secret, name in (
        ("https://example.com/x", None, "WEBHOOK_SECRET"),
        ("https://example.com/x", "short", "WEBHOOK_SECRET"),
        ("ftp://example.com/x", SECRET, "WEBHOOK_URL"),
        ("https://me:pass@example.com/x", SECRET, "WEBHOOK_URL"),
    ):
        with pytest.raises(BadSetting, match=name) as raised:
            settings.load(_env_file=None, webhook_url=url, webhook_secret=secret)
        assert "pass@" not in str(raised.value)


def test_an_answer_of_trouble_may_be_tried_again(receiver: Receiver) -> None:
    receiver.statuses = [500]
    with pytest.raises(Throttled):
        hook(receiver).send(notice())
