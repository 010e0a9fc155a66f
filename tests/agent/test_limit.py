import pytest

from feedback.agent.limit import ratio_of
from feedback.agent.source import SourceError


def test_a_server_s_own_limit_makes_a_ratio() -> None:
    assert ratio_of(5, 20, "clients") == 0.25


def test_a_server_without_a_limit_wants_one_from_the_configuration() -> None:
    with pytest.raises(SourceError, match=r"^the server has no limit for its memory: set limit$"):
        ratio_of(5, 0, "memory")
