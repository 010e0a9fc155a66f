import logging
import re
import sys
from collections.abc import Iterator

import pytest

from feedback.logs import LineFormatter, configure_logging


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """Put the root logger back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def record(message: str, *arguments: object, name: str = "feedback.agent") -> logging.LogRecord:
    return logging.LogRecord(name, logging.INFO, __file__, 1, message, arguments, None)


def test_a_line_has_time_level_logger_and_message() -> None:
    line = record("connected director=%s", "ws://lvs1")
    line.created, line.msecs = 1795232340.123, 123.0
    assert LineFormatter().format(line) == (
        "2026-11-21T03:39:00.123Z level=info logger=agent connected director=ws://lvs1"
    )


def test_other_packages_keep_their_names() -> None:
    assert " logger=aiohttp.access " in LineFormatter().format(record("hello", name="aiohttp.access"))


def test_whatever_a_message_holds_it_stays_one_line() -> None:
    assert LineFormatter().format(record("a\nlevel=error b\r")).endswith("a\\nlevel=error b\\r")


def test_a_traceback_stays_in_the_line() -> None:
    line = record("failed")
    try:
        int("wrong")
    except ValueError:
        line.exc_info = sys.exc_info()
    text = LineFormatter().format(line)
    assert text.count("\n") == 0
    assert re.search(r'failed traceback="Traceback .*ValueError: invalid literal .*"$', text)


def test_lines_go_to_stderr_from_the_level_up(root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning")
    logging.getLogger("feedback.agent").info("quiet")
    logging.getLogger("feedback.agent").warning("loud")
    configure_logging("info")
    logging.getLogger("feedback.agent").info("louder")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert [line.split()[-1] for line in printed.err.splitlines()] == ["loud", "louder"]
    assert len(root_logger.handlers) == 1
