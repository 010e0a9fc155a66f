"""`feedback demo`: a whole cluster on loopback, and the story of what a director does for it."""

import argparse
import asyncio
import contextlib
import sys

import msgspec
from rich.console import Console
from rich.live import Live

from feedback.commands.arguments import duration
from feedback.commands.client import Client, service_path
from feedback.demo.cluster import SERVICE
from feedback.demo.figures import MIN_SECONDS, Figures, broken_promises
from feedback.demo.process import DemoError
from feedback.demo.run import Demo, Show, Tell
from feedback.demo.screen import Scene, render, render_story
from feedback.director.snapshot import ServiceView
from feedback.model import Endpoint


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--for",
        dest="seconds",
        type=_story_duration,
        metavar="DURATION",
        help="tell the whole story in this time and end, like 60s; without it, story after story until Ctrl-C",
    )
    parser.add_argument(
        "--json", action="store_true", help="no screen: what happens goes to stderr, the figures to stdout as JSON"
    )
    parser.add_argument(
        "--listen",
        type=_loopback,
        default=Endpoint("127.0.0.1", 8600),
        metavar="HOST:PORT",
        help="the director's API and dashboard (default: 127.0.0.1:8600)",
    )
    parser.add_argument(
        "--vip",
        type=_loopback,
        default=Endpoint("127.0.0.1", 8080),
        metavar="HOST:PORT",
        help="the virtual service (default: 127.0.0.1:8080)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the demo, and succeed if it did what it says."""
    console = Console()
    if arguments.json or not console.is_terminal:
        figures = _run_in_lines(arguments)
    else:
        figures = _run_on_screen(arguments, console)
    if figures is None:  # ended before its first story was over, as one may
        return 0
    if arguments.json:
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    broken = broken_promises(figures)
    if broken:
        raise DemoError("; ".join(broken))
    return 0


def _run_in_lines(arguments: argparse.Namespace) -> Figures | None:
    def tell(at_seconds: float, sentence: str) -> None:
        stream = sys.stderr if arguments.json else sys.stdout
        stream.write(f"{at_seconds:5.1f} s  {sentence}\n")
        stream.flush()

    return asyncio.run(_demo(arguments, tell, None).run())


def _run_on_screen(arguments: argparse.Namespace, console: Console) -> Figures | None:
    """Show the cluster on a screen of its own, and leave the story in the terminal when it is over."""
    with contextlib.ExitStack() as stack:
        live = Live(console=console, auto_refresh=False, screen=True)

        def show(scene: Scene) -> None:
            if not live.is_started:  # what is told while the cluster starts stays in the terminal
                stack.enter_context(live)
            live.update(render(scene, console.width, console.height), refresh=True)

        def tell(_at_seconds: float, sentence: str) -> None:
            if not live.is_started:
                console.print(sentence, style="bright_black")

        demo = _demo(arguments, tell, show)
        try:
            return asyncio.run(demo.run())
        finally:
            stack.close()
            console.print(render_story(demo.told))


def _demo(arguments: argparse.Namespace, tell: Tell, show: Show | None) -> Demo:
    client = Client(f"http://{arguments.listen}")
    return Demo(
        lambda: client.get(service_path(SERVICE), ServiceView),
        vip=arguments.vip,
        listen=arguments.listen,
        seconds=arguments.seconds,
        tell=tell,
        show=show,
    )


def _story_duration(text: str) -> float:
    seconds = duration(text)
    if seconds < MIN_SECONDS:
        raise argparse.ArgumentTypeError(f"must be at least {MIN_SECONDS:g}s: the story takes that long")
    return seconds


def _loopback(text: str) -> Endpoint:
    try:
        endpoint = Endpoint.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not (endpoint.address.startswith("127.") or endpoint.address == "::1"):
        raise argparse.ArgumentTypeError(f'"{text}" must be on loopback, like 127.0.0.1:8600: the demo has no token')
    return endpoint
