"""`feedback director`: the controller."""

import argparse
import asyncio
import sys

import msgspec
import uvloop

from feedback.director.advice import weighing
from feedback.director.config import DirectorConfig
from feedback.director.config_file import load_director_config
from feedback.director.outlook import outlook
from feedback.director.process import run_director
from feedback.director.state_file import load_state
from feedback.director.table.kernel import KernelTable
from feedback.errors import TableError
from feedback.logs import configure_logging
from feedback.model import TableState


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--config", required=True, metavar="FILE", help="the director's configuration, director.yaml")
    action = parser.add_mutually_exclusive_group()
    action.add_argument(
        "--check-config", action="store_true", help="validate the configuration and print the plan; touch nothing"
    )
    action.add_argument("--dry-run", action="store_true", help="run, but only log what would change in the table")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default: info"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the director until a signal, or check its configuration."""

    def load() -> DirectorConfig:
        return load_director_config(arguments.config)

    config = load()
    if arguments.check_config:
        return _check(config, arguments.config)
    if arguments.dry_run:
        config = msgspec.structs.replace(config, state_file=None)
    configure_logging(arguments.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_director(load, config, dry_run=arguments.dry_run))
    return 0


def _check(config: DirectorConfig, path: str) -> int:
    for warning in config.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    state = load_state(config.state_file)
    print(f"{path} is right: {config.size()}, table {config.table}.")
    print("Once every check passes and no agent has reported, the director will have:")
    for line in outlook(config, state, asyncio.run(_read(config))):
        print(f"  {line}")
    if lines := list(weighing(config)):
        print("What becomes of weights that follow load:")
        for line in lines:
            print(f"  {line}")
    return 0


async def _read(config: DirectorConfig) -> TableState:
    """Return what is in the table now; nothing, with a word of it, where it can't be read."""
    if config.table == "memory":
        return {}
    try:
        return await KernelTable().read()
    except TableError as error:
        print(f"warning: planned against an empty table: {error}", file=sys.stderr)
        return {}
