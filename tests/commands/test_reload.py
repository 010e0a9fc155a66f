"""`feedback reload`."""

import pytest

from feedback.cli import main
from tests.commands.threads import director
from tests.director.fake_control import BROKEN

pytestmark = pytest.mark.loopback


def test_the_director_reads_its_configuration_again(capsys: pytest.CaptureFixture[str]) -> None:
    with director() as there:
        assert main(["reload", "--director", there.url]) == 0
        assert there.control.reloads == 1
    assert capsys.readouterr().out == "the director has read its configuration again\n"


def test_a_broken_configuration_is_every_problem_and_exit_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with director() as there:
        there.control.failure = BROKEN
        assert main(["reload", "--director", there.url]) == 2
    assert capsys.readouterr().err == (
        "the configuration is refused, the old one goes on\n"
        "director.yaml:4: director.listen: must be an address\n"
        "director.yaml:9: services: is empty\n"
    )
