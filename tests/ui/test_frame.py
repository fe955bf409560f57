"""What the frame knows without a browser: looks, words, failures, and the plugins that shape the build."""

import os
import re
from pathlib import Path

import pytest

from etl_engine import wiring
from etl_engine.connectors.contract import StepState
from etl_engine.errors import NotFound
from etl_engine.model.connection import TestStatus
from etl_engine.services.context import Context
from etl_engine.services.health import Health, Part
from etl_engine.settings import _TAKEN_PATHS, Settings
from etl_engine.ui import theme
from etl_engine.ui.dev_proxy import DevServer
from etl_engine.ui.engine_status import EngineStatus
from etl_engine.ui.navigation import PAGES
from etl_engine.ui.session import AskError, ask
from etl_engine.ui.stylesheets import _used_parts
from etl_engine.ui.toasts import Toast, Toasts
from etl_engine.ui.toolchain import use_packaged_node
from etl_engine.ui.words import counted, duration

ASSETS = Path(__file__).parents[2] / "assets"
STYLES = ASSETS / "styles.css"


def test_every_state_has_an_icon_a_word_and_a_tone_that_the_styles_know() -> None:
    assert set(theme.TEST_STATUS) == set(TestStatus)
    assert set(theme.STEP_STATE) == set(StepState)
    looks = [*theme.TEST_STATUS.values(), *theme.STEP_STATE.values(), theme.UNTESTED]
    assert all(look.icon and look.word for look in looks)
    styled = set(re.findall(r"\.status\.(\w+)", STYLES.read_text()))
    assert {look.tone for look in looks} <= styled


def test_the_colours_are_those_of_the_specification() -> None:
    tokens = dict(re.findall(r"--(p\d+|text|bg): (#\w+);", (ASSETS / "tokens.css").read_text().partition("\n.dark")[0]))
    assert tokens["p600"] == theme.PRIMARY == "#9333ea"
    assert (tokens["p400"], tokens["p500"], tokens["text"], tokens["bg"]) == (
        "#c084fc",
        "#a855f7",
        "#171717",
        "#fafafa",
    )
    sidebar = re.search(r"\.sidebar, \.drawer \{(.*?)\n\}", STYLES.read_text(), re.DOTALL)
    assert sidebar and "linear-gradient(168deg, #7e22ce, #581c87" in sidebar[1]
    assert (theme.KIND_BADGE["mysql"], theme.KIND_BADGE["postgresql"]) == ("purple", "grey")
    looks = (theme.TEST_STATUS["success"], theme.TEST_STATUS["failed"], theme.UNTESTED)
    assert [(look.icon, look.tone) for look in looks] == [("check", "ok"), ("x", "bad"), ("circle", "idle")]


def test_what_one_browser_alone_understands_is_said_for_the_others_too() -> None:
    """The masked input is understood by all of them; the other two are decoration that others do without."""
    styles = "".join(path.read_text() for path in ASSETS.glob("*.css"))
    alone = set(re.findall(r"-webkit-[\w-]+", styles))
    alone -= {"-webkit-text-security", "-webkit-font-smoothing", "-webkit-details-marker"}
    elsewhere = {
        "-webkit-mask-image": r"[; ]mask-image:",
        "-webkit-progress-bar": r"::-moz-progress-bar",
        "-webkit-progress-value": r"::-moz-progress-bar",
    }
    assert alone == elsewhere.keys()
    assert all(re.search(pattern, styles) for pattern in elsewhere.values())


def test_no_page_can_be_hidden_by_the_path_of_the_api() -> None:
    assert {page.to.split("/")[1] for page in PAGES} - {""} <= _TAKEN_PATHS


@pytest.mark.parametrize(
    ("ms", "words"), [(0.4, "<1 ms"), (1, "1 ms"), (38.4, "38 ms"), (999.4, "999 ms"), (1_234, "1.2 s")]
)
def test_a_duration_is_said_in_the_unit_a_person_would_use(ms: float, words: str) -> None:
    assert duration(ms) == words


def test_a_number_is_said_with_its_noun() -> None:
    assert [counted(number, "connection") for number in (1, 2, 1000)] == [
        "1 connection",
        "2 connections",
        "1,000 connections",
    ]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> wiring.Engine:
    made = wiring.Engine(Settings(data_dir=tmp_path))
    monkeypatch.setattr(wiring, "_engine", made)
    return made


async def test_a_page_asks_with_a_request_id_of_its_own(engine: wiring.Engine) -> None:
    first = await ask(lambda ctx: ctx.request_id)
    assert len(first) == 16
    assert await ask(lambda ctx: ctx.request_id) != first
    engine.close()


async def test_a_refusal_reaches_the_page_with_its_hint_and_code(engine: wiring.Engine) -> None:
    def refuse(ctx: Context) -> None:
        raise NotFound("There is no such thing", hint="Look elsewhere.")

    with pytest.raises(AskError) as caught:
        await ask(refuse)
    trouble = caught.value.trouble
    assert (trouble.message, trouble.hint) == ("There is no such thing", "Look elsewhere.")
    assert re.fullmatch("not-found · request [0-9a-f]{16}", trouble.facts)
    engine.close()


async def test_an_error_of_our_own_shows_nothing_of_itself(engine: wiring.Engine) -> None:
    def break_down(ctx: Context) -> None:
        raise RuntimeError("password=hunter2")

    with pytest.raises(AskError) as caught:
        await ask(break_down)
    trouble = caught.value.trouble
    assert "hunter2" not in f"{trouble.message} {trouble.hint} {trouble.facts}"
    engine.close()


def health(store: str = "ok", key: str = "ok") -> Health:
    states = {"store": store, "key": key}
    parts = {
        name: Part(status=state, detail=f"{name} {state}", hint=f"mend the {name}") for name, state in states.items()
    }
    return Health(status="ok" if store == key == "ok" else "failed", version="1.2.3", **parts)


def test_the_foot_of_the_sidebar_says_what_is_wrong_first() -> None:
    status = EngineStatus()
    status._show(health())
    assert (status.mood, status.words, status.detail, status.hint) == ("ready", "Engine ready", "store ok · v1.2.3", "")
    status._show(health(store="failed", key="failed"))
    assert (status.mood, status.detail, status.hint) == ("trouble", "store failed", "mend the store")
    status._show(health(key="failed"))
    assert (status.mood, status.detail, status.hint) == ("trouble", "key failed", "mend the key")


def test_a_message_is_shown_once() -> None:
    toasts = Toasts()
    toasts._say("ok", "Saved")
    first = toasts.latest
    toasts._say("bad", "Broken", "why")
    assert first.number != toasts.latest.number
    toasts.shown(first.number)
    assert toasts.latest.title == "Broken"
    toasts.shown(toasts.latest.number)
    assert toasts.latest == Toast()


def test_the_dev_server_takes_over_all_of_the_api_and_nothing_else() -> None:
    config = DevServer("/api/v1")._with_dev_server("export default { plugins: [ reactRouter() ] }")
    pattern = re.search(r'"(\^\(/api.*?)": \{ target \}', config)
    assert pattern
    forwarded = re.compile(pattern[1].replace("\\\\", "\\"))
    for path in ("/api/v1/connections/", "/api/v2", "/health", "/docs", "/docs/assets/docs.css", "/openapi.json"):
        assert forwarded.match(path), path
    for path in ("/", "/apiary", "/healthy", "/connections", "/assets/api/v1.js"):
        assert not forwarded.match(path), path


def test_an_unknown_build_stops_instead_of_listening_everywhere() -> None:
    with pytest.raises(RuntimeError, match="not known"):
        DevServer("/api/v1")._with_dev_server("export default {}")
    with pytest.raises(RuntimeError, match="not known"):
        _used_parts('@import "tailwindcss";')


def test_the_packaged_node_goes_first_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REFLEX_USE_NPM", "npm_config_script_shell"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin")
    use_packaged_node(tmp_path)
    use_packaged_node(tmp_path)
    assert os.environ["PATH"] == f"{tmp_path / '.node_bin'}:/usr/bin"
    assert all((tmp_path / ".node_bin" / name).exists() for name in ("node", "npm", "npx"))
