"""`python -m feedback` and the command `feedback`."""

import sys


def main() -> int:
    """Run what the command line says. An agent that is to run for long is started in a way of its own."""
    match sys.argv[1:]:
        case ["agent", "--config", path]:
            from feedback.commands.agent_start import start  # noqa: PLC0415 - it imports little, the others much

            return start(path)
        case words:
            from feedback.cli import main as run  # noqa: PLC0415

            return run(words)


if __name__ == "__main__":
    sys.exit(main())
