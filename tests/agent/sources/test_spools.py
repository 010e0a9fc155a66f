"""The sources that count a spool of Exim, Sendmail or OpenSMTPD. The spools are made as those programs make them."""

from pathlib import Path

import pytest

from feedback.agent.source import Source, SourceError
from feedback.agent.sources.exim import EximSource
from feedback.agent.sources.opensmtpd import OpensmtpdSource
from feedback.agent.sources.postfix import PostfixSource
from feedback.agent.sources.sendmail import SendmailSource

pytestmark = pytest.mark.loopback  # each count is a thread of its own


def made(root: Path, *files: str) -> str:
    root.mkdir(parents=True, exist_ok=True)
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return str(root)


async def test_a_message_of_exim_is_its_header_file_in_a_split_spool_too(tmp_path: Path) -> None:
    path = made(
        tmp_path, "1a-0001-H", "1a-0001-D", "1a-0001-J", "hdr.1a-0002", "hdr.1a-0002-H", "b/1b-0003-H", "b/1b-0003-D"
    )
    assert (await EximSource(directory=path, limit=4).sample()).ratio == 0.5


async def test_a_message_of_sendmail_is_its_control_file_in_every_queue_group(tmp_path: Path) -> None:
    path = made(
        tmp_path, "qf1", "df1", "xf1", "hf2", "Qf3", "tf4", "qf", "qd1/qf5", "qd1/df5", "qd2/qf/qf6", "qd2/df/df6"
    )
    assert (await SendmailSource(directories=(path,), limit=4).sample()).ratio == 0.75


async def test_an_envelope_of_opensmtpd_has_sixteen_digits(tmp_path: Path) -> None:
    path = made(tmp_path, "3f/3f01aa07/message", "3f/3f01aa07/3f01aa0700000001", "3f/3f01aa07/3f01aa07ffffffff")
    assert (await OpensmtpdSource(directory=path, limit=4).sample()).ratio == 0.5


async def test_the_queues_of_postfix_are_those_that_are_named(tmp_path: Path) -> None:
    path = made(
        tmp_path, "active/4A", "incoming/4B", "deferred/A/4C", "deferred/B/C/4D", "hold/4E", "maildrop/4F", "defer/4C"
    )
    assert (await PostfixSource(directory=path, limit=8).sample()).ratio == 0.5
    assert (await PostfixSource(directory=path, limit=8, queues=("hold", "maildrop")).sample()).ratio == 0.25


@pytest.mark.parametrize("messages", [10, 50])
async def test_more_than_ten_times_the_limit_is_not_counted(tmp_path: Path, messages: int) -> None:
    path = made(tmp_path, *(f"{number:02}-H" for number in range(messages)))
    assert (await EximSource(directory=path, limit=1).sample()).ratio == 10


@pytest.mark.parametrize("source", [EximSource, SendmailSource, OpensmtpdSource, PostfixSource])
async def test_a_spool_that_is_not_there_is_named(tmp_path: Path, source: type[Source]) -> None:
    option = {"directories": (f"{tmp_path}/none",)} if source is SendmailSource else {"directory": f"{tmp_path}/none"}
    with pytest.raises(SourceError, match=f"^can't read {tmp_path}/none.*: No such file or directory$"):
        await source(limit=1, **option).sample()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("source", "option", "sentence"),
    [
        (SendmailSource, {"directories": ()}, "directories: must name one at least"),
        (PostfixSource, {"queues": ()}, "queues: must name one at least"),
    ],
)
def test_nothing_to_count_is_refused(source: type[Source], option: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        source(limit=1, **option)  # type: ignore[call-arg]
