"""`feedback reload`: the director reads its configuration again; a broken one is refused and the old one goes on."""

import argparse
import sys

from feedback.commands.client import add_client_arguments, make_client


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_client_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Reload. Raises ConfigError with every problem when the new configuration is refused."""
    make_client(arguments).post("/api/v1/reload", dict)
    sys.stdout.write("the director has read its configuration again\n")
    return 0
