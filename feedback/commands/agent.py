"""`feedback agent`: report this host's load to the directors, or ask the running agent to drain the host."""

import argparse
import asyncio
import sys

import msgspec

from feedback.agent.agent import report_once, run_agent
from feedback.agent.config import AgentConfig
from feedback.agent.config_file import load_agent_config
from feedback.agent.control import Answer, ask
from feedback.agent.transport import NOT_CONNECTED
from feedback.errors import FeedbackError
from feedback.logs import configure_logging
from feedback.report import Wish


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--config", required=True, metavar="FILE", help="the agent's configuration, agent.yaml")
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


def run(arguments: argparse.Namespace) -> int:
    """Run the agent until SIGTERM, or do the one thing that is asked for."""
    config = load_agent_config(arguments.config)
    if arguments.wish is not None:
        return _ask(config, arguments.wish)
    configure_logging("warning" if arguments.once else "info")
    if arguments.once:
        report = asyncio.run(report_once(config))
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return 0
    asyncio.run(run_agent(config))
    return 0


def _ask(config: AgentConfig, wish: Wish) -> int:
    """Pass the wish on; succeed when a director has accepted it, and none that is connected has not."""
    if config.control is None:
        raise FeedbackError(f"{config.name} has no control socket: `control` in its configuration is null")
    answer = ask(config.control, wish)
    if not answer.accepted or any(reason != NOT_CONNECTED for reason in answer.missing.values()):
        raise FeedbackError(f"{sentence(answer)}; the agent keeps the wish, and says it whenever it connects")
    sys.stdout.write(sentence(answer) + "\n")
    return 0


def sentence(answer: Answer) -> str:
    """Return `rs1: drain accepted by 2 of 2 directors`, and what is wrong with each other director."""
    total = len(answer.accepted) + len(answer.missing)
    said = f"{answer.agent}: {answer.wish} accepted by {len(answer.accepted)} of {total} directors"
    return "; ".join([said, *(f"{director}: {reason}" for director, reason in answer.missing.items())])
