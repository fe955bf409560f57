"""Sample data on one click, with its progress."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import reflex as rx

from etl_engine.services import sample_data
from etl_engine.services.context import Context
from etl_engine.ui.live import nudge
from etl_engine.ui.props import event
from etl_engine.ui.session import AskError, ask
from etl_engine.ui.theme import Tone
from etl_engine.ui.toasts import Toasts

_ONE_AT_A_TIME = ThreadPoolExecutor(1, thread_name_prefix="sample")
_SECONDS_BETWEEN_NEWS = 0.1


class SampleData(rx.State):
    """The sample shop being made."""

    making: bool = False
    percent: int = 0
    what: str = ""

    @event(background=True)
    async def make(self) -> None:
        """Make the sample shop and a tested connection to it."""
        async with self:
            if self.making:
                return
            self.making, self.percent, self.what = True, 0, "Starting"
        latest = (0.0, "Starting")

        def on_progress(done: float, what: str) -> None:
            nonlocal latest
            latest = (done, what)

        def make(ctx: Context) -> str:
            return sample_data.create_sample(ctx, on_progress).name

        work = asyncio.create_task(ask(make, _ONE_AT_A_TIME))
        try:
            while not (await asyncio.wait({work}, timeout=_SECONDS_BETWEEN_NEWS))[0]:
                async with self:
                    self.percent, self.what = round(latest[0] * 100), latest[1]
            name = await work
        except AskError as error:
            await self._end("bad", error.trouble.message, error.trouble.hint)
        else:
            nudge()
            await self._end("ok", f"{name} is ready", "Two years of orders, in a SQLite file of its own.")

    async def _end(self, tone: Tone, title: str, text: str) -> None:
        async with self:
            self.making = False
            toasts = await self.get_state(Toasts)
            toasts._say(tone, title, text)
