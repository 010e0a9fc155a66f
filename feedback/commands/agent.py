"""`feedback agent`: report this host's load to the directors, or ask the running agent to drain the host."""

# ruff: noqa: PLC0415 - what runs for weeks imports what it runs: see feedback.agent.without_tls

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from feedback.agent.config import AgentConfig
from feedback.agent.config_file import load_agent_config, source_config
from feedback.agent.without_tls import import_asyncio_without_tls
from feedback.commands.agent_start import hand_over, run_until_told
from feedback.errors import ConfigError, FeedbackError
from feedback.logs import configure_logging
from feedback.report import Wish

if TYPE_CHECKING:
    from feedback.agent.control import Answer

DIRECTORY = "/var/lib/feedback/tls"
MAX_TOKEN = 200
STANDARD_INPUT = "-"

USAGE = """\
  feedback agent --config agent.yaml                         run, until SIGTERM
  feedback agent --config agent.yaml --once                  print one report
  feedback agent --once --source disk path=/srv timeout=1s   try one source
  feedback agent --config agent.yaml --drain                 let connections end
  feedback agent enroll --director URL --token -             get a certificate

`feedback plugins NAME` shows a source's options. --once ends with 0 also where
a source fails: the report has its reason under `failures`.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = USAGE
    parser.add_argument("what", nargs="?", choices=("enroll",), help="enroll: get this host its certificate, once")
    parser.add_argument("--config", metavar="FILE", help="the agent's configuration, agent.yaml")
    parser.add_argument(
        "--source",
        nargs="+",
        metavar=("NAME", "key=value"),
        help="with --once, instead of --config: try one source with these options, as they stand in agent.yaml",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--once", action="store_true", help="print one report as JSON and exit")
    action.add_argument(
        "--drain",
        dest="wish",
        action="store_const",
        const=Wish.DRAIN,
        help="ask the directors, through the running agent, to send this host no new connections",
    )
    action.add_argument("--ready", dest="wish", action="store_const", const=Wish.READY, help="take a --drain back")
    parser.add_argument("--hand-over", type=int, help=argparse.SUPPRESS)  # see feedback.commands.agent_start
    parser.add_argument("--director", metavar="URL", help="enroll: where the director is, like https://lvs1:8600")
    parser.add_argument("--token", help="enroll: what `feedback pki enroll` has printed; - reads it from the input")
    parser.add_argument(
        "--directory", default=DIRECTORY, type=Path, help=f"enroll: where the files go (default: {DIRECTORY})"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the agent until SIGTERM, or do the one thing that is asked for."""
    if arguments.what == "enroll":
        return _enrol(arguments)
    config = _config(arguments)
    if arguments.wish is not None:
        return _ask(config, arguments.wish)
    if arguments.hand_over is not None:
        hand_over(config, arguments.hand_over)
    elif arguments.once:
        _report_once(config)
    else:
        run_until_told(config)
    return 0


def _config(arguments: argparse.Namespace) -> AgentConfig:
    """Return what the file says, or an agent of the one source that is to be tried."""
    if arguments.source is None:
        if arguments.config is None:
            instead = "; or --source NAME, to try one source" if arguments.once else ""
            raise ConfigError(f"feedback agent needs --config FILE, the agent's configuration{instead}")
        return load_agent_config(arguments.config)
    if arguments.config is not None:
        raise ConfigError("feedback agent takes --config FILE or --source NAME, not both")
    if not arguments.once:
        raise ConfigError("feedback agent tries a --source once: add --once; what runs for long needs --config FILE")
    name, *words = arguments.source
    return source_config(name, words)


def _report_once(config: AgentConfig) -> None:
    configure_logging("warning")
    if config.tls is None:
        import_asyncio_without_tls()
    import asyncio

    from feedback.agent.agent import report_once

    report = asyncio.run(report_once(config))
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")


def _enrol(arguments: argparse.Namespace) -> int:
    """Get this host its certificate, and say what to write into agent.yaml."""
    from feedback.agent.enrol import enrol
    from feedback.enrolment import parse_token

    if arguments.director is None or arguments.token is None:
        raise ConfigError("feedback agent enroll needs --director URL and --token TOKEN")
    text = sys.stdin.readline(MAX_TOKEN) if arguments.token == STANDARD_INPUT else arguments.token
    try:
        token = parse_token(text)
    except ValueError as error:
        raise ConfigError(f"--token: {error}") from None
    directory = arguments.directory.absolute()
    names = enrol(arguments.director, token, directory)
    sys.stdout.write(
        f"{directory} has a certificate for {', '.join(names)}; the director renews it in time\n"
        f"agent.yaml: agent: {{tls: {{directory: {directory}}}}}, and wss:// in directors\n"
    )
    return 0


def _ask(config: AgentConfig, wish: Wish) -> int:
    """Pass the wish on; succeed when a director has accepted it, and none that is connected has not."""
    from feedback.agent.control import ask
    from feedback.agent.transport import NOT_CONNECTED

    if config.control is None:
        raise FeedbackError(f"{config.name} has no control socket: `control` in its configuration is null")
    answer = ask(config.control, wish)
    if not answer.accepted or any(reason != NOT_CONNECTED for reason in answer.missing.values()):
        raise FeedbackError(f"{sentence(answer)}; the agent keeps the wish, and says it whenever it connects")
    sys.stdout.write(sentence(answer) + "\n")
    return 0


def sentence(answer: "Answer") -> str:
    """Return `rs1: drain accepted by 2 of 2 directors`, and what is wrong with each other director."""
    total = len(answer.accepted) + len(answer.missing)
    said = f"{answer.agent}: {answer.wish} accepted by {len(answer.accepted)} of {total} directors"
    return "; ".join([said, *(f"{director}: {reason}" for director, reason in answer.missing.items())])
