"""The director as a process: everything put together, run until a signal, and taken apart again."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import TYPE_CHECKING

from feedback.checks.runner import Runner
from feedback.director import garbage
from feedback.director.advice import advise
from feedback.director.agents import Agents
from feedback.director.api import make_app
from feedback.director.config import DirectorConfig
from feedback.director.events import EventLog
from feedback.director.feeder import Feeder
from feedback.director.forwarder import Forwarder
from feedback.director.link import CutOffError, Refusal
from feedback.director.listen import Listener, serving
from feedback.director.loop import Director, agent_names
from feedback.director.prober import Prober
from feedback.director.receive import Receiver
from feedback.director.state_file import load_state
from feedback.director.table.contract import Table
from feedback.director.table.dry import copy_of
from feedback.director.table.kernel import KernelTable, read_sysctls
from feedback.director.table.memory import MemoryTable
from feedback.director.watch import keep_secure
from feedback.engine import Engine
from feedback.errors import ConfigError, FeedbackError
from feedback.notify import Notifier

if TYPE_CHECKING:
    from feedback.director.secure import Tls

log = logging.getLogger(__name__)


async def run_director(load: Callable[[], DirectorConfig], config: DirectorConfig, *, dry_run: bool) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reloads. `load` reads the configuration again.

    Raises FeedbackError when it can't start: the port is taken, the table can't be reached, the state is damaged.
    """

    async def read_again() -> DirectorConfig:
        return await asyncio.to_thread(load)  # a thousand destinations take half a second

    _raise_descriptor_limit()
    notifier = Notifier.from_environment(os.environ, os.getpid())
    events = EventLog(time.time)
    state = load_state(config.state_file)
    agents = Agents(agent_names(config), events.record, state.wishes)
    async with contextlib.AsyncExitStack() as stack:
        table = await stack.enter_async_context(_open_table(config, dry_run=dry_run))
        engine = stack.enter_context(contextlib.closing(Engine(asyncio.get_running_loop())))
        runner = Runner(engine)
        prober = Prober(runner, time.monotonic, lambda: director.wake())  # noqa: PLW0108 - made below
        feeder = Feeder(runner, agents, events.record, lambda: director.wake(), time.monotonic)  # noqa: PLW0108
        director = Director(
            config,
            load=read_again,
            table=table,
            prober=prober,
            agents=agents,
            events=events,
            state=state,
            steers=not dry_run,
            configured=lambda new: feeder.configure(new.feeds),
            notifier=notifier,
        )
        tls = _tls(config)
        receiver = Receiver(agents, director.wake, time.monotonic, config.token, tls)
        app = make_app(director, receiver, director.counts, config.token, tls)

        def refused(address: str, why: str) -> None:
            agents.refuse(f"a connection from {address}", CutOffError(Refusal.TLS, why), time.monotonic())

        # The port first: a second director on this host must not get as far as the table.
        where = await stack.enter_async_context(serving(app, *_listeners(config, tls), refused=refused))
        await director.start()
        garbage.tune()
        scheme = "http" if tls is None or (config.tls and config.tls.listen) else "https"
        _say_started(config, events, f"{scheme}://{where}/", dry_run=dry_run)
        others = [feeder.run(), *([] if tls is None else [keep_secure(tls, receiver, events.record)])]
        await _run_until_signal(director, prober, table, others, notifier, dry_run=dry_run)
        if config.on_exit == "clear":
            await director.clear()


def _tls(config: DirectorConfig) -> "Tls | None":
    if config.tls is None:
        return None
    from feedback.director.secure import Tls  # noqa: PLC0415 - a director on loopback needs none of what it imports

    return Tls(config.tls)


def _listeners(config: DirectorConfig, tls: "Tls | None") -> tuple[Listener, ...]:
    """Return where to listen: TLS in place of the plain listener, or beside it."""
    if tls is None or config.tls is None:
        return (Listener(config.listen),)
    if config.tls.listen is None:
        return (Listener(config.listen, tls.context),)
    return Listener(config.listen), Listener(config.tls.listen, tls.context)


async def _run_until_signal(
    director: Director,
    prober: Prober,
    table: Table,
    more: Iterable[Coroutine[None, None, None]],
    notifier: Notifier,
    *,
    dry_run: bool,
) -> None:
    """Run everything that runs. One task failing ends them all: the table stays, and whoever supervises starts anew."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with asyncio.TaskGroup() as group:
        loop.add_signal_handler(signal.SIGHUP, lambda: group.create_task(_reload(director), name="reload"))
        running = [
            group.create_task(prober.run(), name="prober"),
            group.create_task(director.run(), name="loop"),
            group.create_task(notifier.attend(director.status, director.late_seconds), name="notify"),
            *map(group.create_task, more),
        ]
        if isinstance(table, MemoryTable) and not dry_run:
            running.append(group.create_task(Forwarder(table).run(), name="forwarder"))
        notifier.ready(director.status())  # not before: SIGHUP is heeded from here on
        await stop.wait()
        notifier.stopping()
        log.info("ending; the table %s", "is cleared" if director.config.on_exit == "clear" else "stays as it is")
        for task in running:
            task.cancel()


@contextlib.asynccontextmanager
async def _open_table(config: DirectorConfig, *, dry_run: bool) -> AsyncIterator[Table]:
    table: Table = KernelTable() if config.table == "kernel" else MemoryTable()
    try:
        yield await copy_of(table) if dry_run else table
    finally:
        await table.close()


async def _reload(director: Director) -> None:
    """Reload on SIGHUP; what is wrong with the configuration has been told as an event."""
    with contextlib.suppress(ConfigError):
        try:
            await director.reload()
        except FeedbackError as error:
            director.events.record("config", f"configuration not reloaded: {error}")


def _say_started(config: DirectorConfig, events: EventLog, url: str, *, dry_run: bool) -> None:
    log.info("running, table=%s dashboard=%s", config.table, url)
    if dry_run:
        events.record("config", "dry run: nothing is written to the table; what follows is what would be")
    warnings = [*config.warnings, *(advise(config, read_sysctls()) if config.table == "kernel" else ())]
    for warning in warnings:
        events.record("warning", warning)


def _raise_descriptor_limit() -> None:
    """Allow as many open files as the administrator does: each running check has a socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
