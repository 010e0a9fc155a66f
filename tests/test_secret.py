"""A secret shows only where somebody asks for it."""

from feedback.director.config import DirectorConfig
from feedback.secret import Secret

TEXT = "correct-horse-battery"


def test_a_secret_is_in_no_repr_and_no_format() -> None:
    secret = Secret(TEXT)
    config = DirectorConfig(name="lvs1", token=secret, services={})
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", repr(config), str([secret])):
        assert TEXT not in shown


def test_a_secret_is_revealed_on_demand() -> None:
    assert Secret(TEXT).reveal() == TEXT


def test_a_secret_matches_only_itself() -> None:
    assert Secret(TEXT).matches(TEXT)
    for other in ("", TEXT[:-1], TEXT + "x", "é" * 21, "\udcff"):
        assert not Secret(TEXT).matches(other)


def test_secrets_compare_by_their_text() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))
    assert Secret(TEXT) != Secret("other")
    assert Secret(TEXT) != TEXT
