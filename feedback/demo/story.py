"""The story that the demo plays on its cluster, and what it measures on the way."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from feedback.demo.cluster import BASE_WEIGHT, BATCH, LOAD_RATIO, POLL_SECONDS, SERVICE, SPEEDS, Cluster
from feedback.demo.figures import (
    FINISH,
    Figures,
    MetricFigures,
    MetricStep,
    Moments,
    PhaseFigures,
    figures,
    phase_figures,
    phase_seconds,
)
from feedback.demo.jobs import JOBS, METRIC
from feedback.director.snapshot import DestinationView, ServiceView

KILLED = "rs3"
DRAINED = "rs2"
REMOVAL_TIMEOUT_SECONDS = 10.0
RETURN_TIMEOUT_SECONDS = 15.0
LAST_REQUESTS_SECONDS = 5.0
FOLLOW_TIMEOUT_SECONDS = 10.0  # for the weight to follow the plugin's metric, where its half of the phase is too short
FOLLOWED_RATIO = 0.8  # of the weight before: what is clearly no chance


class Story:
    """Plays the phases one after the other. `tell` gets each sentence; `phase` is the name of the one that runs.

    last: the load ends with this story, and every request is counted; else it goes on for the next.
    """

    def __init__(self, cluster: Cluster, total_seconds: float, tell: Callable[[str], None], *, last: bool) -> None:
        self.phase = ""
        self.phase_began_at = 0.0
        self._last = last
        self._cluster = cluster
        self._seconds = phase_seconds(total_seconds)
        self._tell = tell
        self._told: list[PhaseFigures] = []
        self._moments = Moments()

    async def play(self) -> Figures:
        """Play it once, from equal weights to equal load, and return what came of it."""
        await self._equal_weights()
        await self._weights_move()
        await self._even_load()
        plugin_metric = await self._jobs()
        await self._kill()
        await self._return()
        await self._drain()
        if self._last:
            await self._finish()
        return figures(self._told, self._moments, plugin_metric)

    async def _equal_weights(self) -> None:
        async with self._phase("equal_weights", all_in_table=True):
            demand = LOAD_RATIO * sum(SPEEDS.values()) / len(SPEEDS)
            slow = " and ".join(name for name, speed in SPEEDS.items() if speed < demand)
            self._tell(
                f"Every realserver has weight {BASE_WEIGHT} and gets as many requests as any other. For {slow} that is "
                f"{demand:.0%} of what they can do: their queues grow."
            )
        self._tell(f"At equal weights: {_evenness(self._told[-1])}.")

    async def _weights_move(self) -> None:
        async with self._phase("weights_move", all_in_table=True):
            self._tell("Now weights are to follow load, by the policy `equalize`: feedback reload")
            await self._cluster.reconfigure("equalize")

    async def _even_load(self) -> None:
        async with self._phase("even_load", all_in_table=True):
            weights = ", ".join(f"{it.name} {it.weight}" for it in (await self._cluster.service()).destinations)
            self._tell(f"The weights have followed the load: {weights}.")
        self._tell(f"After that: {_evenness(self._told[-1])}.")

    async def _jobs(self) -> MetricFigures:
        jobs, loop = self._cluster.jobs, asyncio.get_running_loop()
        async with self._phase("jobs", all_in_table=True):
            half_seconds = self._seconds["jobs"] / 2
            before = destination(await self._cluster.service(), BATCH).weight
            self._tell(
                f"{BATCH} gets {JOBS} jobs beside its requests. Its agent counts them by a plugin, a shell script of "
                f"four lines: the metric {METRIC}."
            )
            steps: list[MetricStep] = []
            filled_at = loop.time()
            jobs.fill()
            full = await self._follow(steps, filled_at, half_seconds, lambda weight: weight < before * FOLLOWED_RATIO)
            self._tell(
                f"{METRIC} is at {full.ratio or 0:.0%} of its limit, and {BATCH}'s weight went from {before} to "
                f"{full.weight}."
            )
            jobs.empty()
            emptied_seconds = loop.time() - filled_at
            after = await self._follow(steps, filled_at, half_seconds, lambda weight: weight > full.weight)
            self._tell(
                f"The jobs are done: {METRIC} is at {after.ratio or 0:.0%}, and {BATCH}'s weight rises again: "
                f"{after.weight}."
            )
        return MetricFigures(
            realserver=BATCH,
            metric=METRIC,
            emptied_seconds=round(emptied_seconds, 3),
            weight_before=before,
            weight_full=full.weight,
            weight_after=after.weight,
            steps=tuple(steps),
        )

    async def _follow(
        self, steps: list[MetricStep], filled_at: float, seconds: float, has_followed: Callable[[int], bool]
    ) -> MetricStep:
        """Note each change of the metric and the weight, for so long and until it has followed; return the last one."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        while True:
            view = destination(await self._cluster.service(), BATCH)
            passed_seconds = loop.time() - began_at
            step = MetricStep(
                seconds=round(loop.time() - filled_at, 2), ratio=view.metrics.get(METRIC), weight=view.weight
            )
            if not steps or (steps[-1].ratio, steps[-1].weight) != (step.ratio, step.weight):
                steps.append(step)
            enough = passed_seconds >= seconds and has_followed(view.weight)
            if enough or passed_seconds >= seconds + FOLLOW_TIMEOUT_SECONDS:
                return step
            await asyncio.sleep(POLL_SECONDS)

    async def _kill(self) -> None:
        async with self._phase("kill"):
            self._tell(f"A crash: {KILLED}'s process is killed.")
            killed_at = asyncio.get_running_loop().time()
            await self._cluster.kill_realserver(KILLED)
            view = await self._cluster.wait_until(
                lambda service: not destination(service, KILLED).in_table,
                f"{KILLED} is out of the table",
                REMOVAL_TIMEOUT_SECONDS,
            )
            seconds = self._moments.seconds_from_kill_to_removal = asyncio.get_running_loop().time() - killed_at
            self._tell(f"It is out of the table after {seconds:.1f} s: {destination(view, KILLED).why}.")
        self._tell(f"{_count(self._told[-1].failures)} failed meanwhile, on the way to {KILLED}.")

    async def _return(self) -> None:
        async with self._phase("return"):
            self._tell(f"{KILLED}'s process is started again.")
            started_at = asyncio.get_running_loop().time()
            await self._cluster.restart_realserver(KILLED)
            view = await self._cluster.wait_until(
                lambda service: destination(service, KILLED).in_table,
                f"{KILLED} is in the table again",
                RETURN_TIMEOUT_SECONDS,
            )
            seconds = self._moments.seconds_from_start_to_table = asyncio.get_running_loop().time() - started_at
            weight = destination(view, KILLED).weight
            self._tell(
                f"Its checks pass, and after {seconds:.1f} s it is let in, slowly: it begins at weight {weight}."
            )

    async def _drain(self) -> None:
        moments, cluster = self._moments, self._cluster
        async with self._phase("drain"):
            moments.drained_requests_running = (await cluster.totals())[DRAINED].open_requests
            self._tell(
                f"An operator takes {DRAINED} out, with {_count(moments.drained_requests_running)} under way: "
                f"feedback drain {SERVICE} {DRAINED} --wait"
            )
            began_at = asyncio.get_running_loop().time()
            await cluster.command("drain", SERVICE, DRAINED, "--wait")
            moments.drain_seconds = asyncio.get_running_loop().time() - began_at
            drained = (await cluster.totals())[DRAINED]
            moments.drained_requests_left = drained.open_requests
            self._tell(
                f"It returned after {moments.drain_seconds:.1f} s, with {_count(drained.open_requests)} left: "
                f"{DRAINED} may be rebooted now."
            )
            await asyncio.sleep(self._seconds["drain"] / 4)
            moments.drained_requests_new = (await cluster.totals())[DRAINED].requests - drained.requests
            self._tell(f"Back to work: feedback enable {SERVICE} {DRAINED}")
            await cluster.command("enable", SERVICE, DRAINED)
        self._tell(f"Lost by the drain: {_count(self._told[-1].failures)}.")

    async def _finish(self) -> None:
        """Let the last requests end, so that each one is counted."""
        await self._cluster.load("stop")
        async with self._phase(FINISH):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_REQUESTS_SECONDS):
                    while (await self._cluster.load("look")).open_requests:  # noqa: ASYNC110 - asked of another process
                        await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def _phase(self, name: str, *, all_in_table: bool = False) -> AsyncIterator[None]:
        """Last for the phase's time, or for what is done in it where that takes longer, and keep its figures."""
        loop = asyncio.get_running_loop()
        cluster = self._cluster
        if not self._told:
            await cluster.load("start")
        began_at, processes, before = loop.time(), dict(cluster.realservers), await cluster.totals()
        self.phase, self.phase_began_at = name, began_at
        yield
        await asyncio.sleep(began_at + self._seconds.get(name, 0.0) - loop.time())
        seconds, after, load = loop.time() - began_at, await cluster.totals(), await cluster.load("phase")
        busy_seconds = {
            server: after[server].busy_seconds - before[server].busy_seconds
            for server in before.keys() & after.keys()
            if cluster.realservers[server] is processes[server]
        }
        self._told.append(phase_figures(name, seconds, load, dict(sorted(busy_seconds.items())), all_in_table))


def _evenness(phase: PhaseFigures) -> str:
    """Say in words how even the load was."""
    return (
        f"the busiest realserver at {phase.max_over_avg_utilization or 0:.2f} times the average, "
        f"99% of the requests within {phase.latency_p99_seconds or 0:.2f} s"
    )


def _count(requests: int) -> str:
    return "1 request" if requests == 1 else f"{requests} requests"


def destination(service: ServiceView, name: str) -> DestinationView:
    """Return a destination's view by its name."""
    return next(it for it in service.destinations if it.name == name)
