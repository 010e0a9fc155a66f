"""Runs the demo: a directory for its files, the cluster in it, the story on it, and the screen in front."""

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from feedback.demo.cluster import SPEEDS, Cluster
from feedback.demo.figures import MIN_SECONDS, STORY_SECONDS, Figures, phase_seconds
from feedback.demo.process import DemoError
from feedback.demo.screen import Scene
from feedback.demo.story import Story
from feedback.director.snapshot import ServiceView
from feedback.errors import FeedbackError
from feedback.model import Endpoint

END_SECONDS = 2.5  # what ending takes, out of the time that is given
REST_SECONDS = 10.0  # between two stories
REFRESH_SECONDS = 0.5
MAX_TOLD = 100

Tell = Callable[[float, str], None]
Show = Callable[[Scene], None]


class Demo:
    """One run of the demo. `seconds` None: story after story, until it is interrupted.

    look: asks the director's API for the service. tell: gets each sentence of the story with its time in seconds
    since the start. show: gets what is to be seen, twice a second.
    """

    def __init__(
        self,
        look: Callable[[], ServiceView],
        *,
        vip: Endpoint,
        listen: Endpoint,
        seconds: float | None,
        tell: Tell | None = None,
        show: Show | None = None,
    ) -> None:
        self.told: list[tuple[float, str]] = []
        self._look = look
        self._vip = vip
        self._listen = listen
        self._seconds = seconds
        self._on_sentence = tell
        self._show = show
        self._began_at = 0.0
        self._figures: Figures | None = None

    async def run(self) -> Figures | None:
        """Run it, and return the last story's figures, if one came to its end.

        Raises DemoError when something failed, and when a story of a given time was interrupted.
        """
        self._began_at = asyncio.get_running_loop().time()
        with _interruptible() as interrupted:
            async with self._cluster() as cluster:
                await _until_first(self._play(cluster), cluster.watch(), interrupted.wait())
        if self._seconds is not None and self._figures is None:
            raise DemoError("interrupted before its end")
        return self._figures

    async def _play(self, cluster: Cluster) -> None:
        """Start the cluster, and play one story on it, or one after the other."""
        self._tell("Starting one director, four agents, four realservers and a client.")
        await cluster.start()
        self._tell(f"The dashboard is {cluster.url}/ and the service http://{cluster.vip}/ on this host.")
        while True:
            story = Story(cluster, self._story_seconds(), self._tell, last=self._seconds is not None)
            async with self._screen(cluster, story):
                self._figures = await story.play()
                if self._seconds is not None:
                    return
                self._tell(f"That was the story. It begins again in {REST_SECONDS:g} s; Ctrl-C ends it.")
                await asyncio.sleep(REST_SECONDS)
                await cluster.reconfigure("static")

    @contextlib.asynccontextmanager
    async def _cluster(self) -> AsyncIterator[Cluster]:
        total_seconds = self._seconds or STORY_SECONDS
        with tempfile.TemporaryDirectory(prefix="feedback-demo-") as directory:
            cluster = Cluster(
                Path(directory),
                self._look,
                vip=self._vip,
                listen=self._listen,
                response_seconds=min(4.0, total_seconds / 30),
                slow_start_seconds=phase_seconds(total_seconds)["return"] * 0.6,
            )
            try:
                yield cluster
            finally:
                await cluster.stop()

    @contextlib.asynccontextmanager
    async def _screen(self, cluster: Cluster, story: Story) -> AsyncIterator[None]:
        """Keep the screen up to date meanwhile."""
        if self._show is None:
            yield
            return
        refreshing = asyncio.create_task(self._refresh(cluster, story, self._show), name="screen")
        try:
            yield
        finally:
            refreshing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await refreshing

    async def _refresh(self, cluster: Cluster, story: Story, show: Show) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if story.phase:
                with contextlib.suppress(FeedbackError):  # the story meets the same trouble, and says so
                    service, load = await cluster.service(), await cluster.load("look")
                    age_seconds = loop.time() - story.phase_began_at
                    show(
                        Scene(
                            service=service,
                            load=load,
                            phase=story.phase,
                            phase_age_seconds=age_seconds,
                            told=tuple(self.told),
                            speeds=SPEEDS,
                            dashboard=f"{cluster.url}/",
                        )
                    )
            await asyncio.sleep(REFRESH_SECONDS)

    def _story_seconds(self) -> float:
        """Return what is left of the time that was given, for the story itself."""
        if self._seconds is None:
            return STORY_SECONDS
        spent_seconds = asyncio.get_running_loop().time() - self._began_at
        return max(MIN_SECONDS / 2, self._seconds - spent_seconds - END_SECONDS)

    def _tell(self, sentence: str) -> None:
        at_seconds = asyncio.get_running_loop().time() - self._began_at
        self.told = [*self.told[-MAX_TOLD:], (at_seconds, sentence)]
        if self._on_sentence is not None:
            self._on_sentence(at_seconds, sentence)


async def _until_first(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Run them until the first one has ended, as it has."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


@contextlib.contextmanager
def _interruptible() -> Iterator[asyncio.Event]:
    """Have Ctrl-C, SIGTERM and a closed terminal set an event and no more: the clearing up is never disturbed."""
    loop = asyncio.get_running_loop()
    interrupted = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, interrupted.set)
    try:
        yield interrupted
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
